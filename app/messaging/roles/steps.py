"""What a role tells about each message, as a line for a person or as a line of JSON for another program."""

import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

Action: TypeAlias = Literal["waiting", "sent", "returned", "received", "handled", "failed", "retried", "dead-lettered"]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened to a message, or to whoever waits for messages."""

    action: Action
    exchange: str = ""
    """The exchange; empty for the default one, which leads to the queue named by the key."""
    routing_key: str = ""
    queue: str = ""
    message_id: str | None = None
    data: Any = None
    headers: dict[str, Any] | None = None
    note: str = ""
    """A result, a reason, or what to do next."""


Tell: TypeAlias = Callable[[Step], None]

HOW_TO_END = "Ctrl-C ends it."


def tell_in_words(name: str) -> Tell:
    """Print each step as a line for a person."""

    def tell(step: Step) -> None:
        way = [f"exchange {step.exchange}"] if step.exchange else []
        way += [f"key {step.routing_key}"] if step.routing_key else []
        way += [f"queue {step.queue}"] if step.queue and step.queue != step.routing_key else []
        way += [", ".join(f"{key}={value}" for key, value in step.headers.items())] if step.headers else []
        data = "" if step.data is None else json.dumps(step.data, ensure_ascii=False)
        parts = [f"{name}: {step.action:<13}", ", ".join(way), data, step.note]
        print("  ".join(part for part in parts if part).rstrip(), flush=True)

    return tell


def tell_in_json(name: str) -> Tell:
    """Print each step as a JSON object on a line of its own, with the name of the role as `who`."""

    def tell(step: Step) -> None:
        sys.stdout.write(json.dumps({"who": name} | asdict(step)) + "\n")
        sys.stdout.flush()

    return tell
