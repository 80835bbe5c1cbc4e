"""What an experiment left: the steps that its roles told, the files that they wrote, and what can be seen in both."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Self, TypeAlias

from app.messaging.roles.steps import Action, Step

Seen: TypeAlias = dict[str, Any]

RABBITMQ = "RabbitMQ"
"""Who tells what was observed at the broker."""
GIVEN_BACK = "came back"
"""Under this name stand the messages that no queue took."""


@dataclass(frozen=True, slots=True)
class Told:
    """A step, and the name of the role that told it."""

    who: str
    step: Step

    @classmethod
    def from_line(cls, line: str) -> Self:
        """Read what a role prints with --json; raises ValueError for anything else."""
        try:
            entry = dict(json.loads(line))
            return cls(str(entry.pop("who")), Step(**entry))
        except (KeyError, TypeError, ValueError):
            raise ValueError(f"This is no step of a role: {line[:80]!r}") from None

    def as_json(self) -> dict[str, Any]:
        """The step as the role printed it."""
        return {"who": self.who} | asdict(self.step)


@dataclass(slots=True)
class Trace:
    """Everything that happened so far, in the order in which it became known."""

    told: list[Told] = field(default_factory=list)
    cast: list[str] = field(default_factory=list)
    """The roles in the order in which they were started."""
    files: dict[str, list[str]] = field(default_factory=dict)
    """What each log file has: the data of its lines, as text."""

    def steps(self, who: str, *actions: Action) -> list[Step]:
        """The steps of these kinds that `who` has told."""
        return [told.step for told in self.told if told.who == who and told.step.action in actions]

    def waiting(self) -> list[str]:
        """The roles that wait for messages, in the order of the cast."""
        waiting = {told.who for told in self.told if told.step.action == "waiting"}
        return [who for who in dict.fromkeys((*self.cast, RABBITMQ)) if who in waiting]


def text(data: Any) -> str:
    """The data of a message as a person would call it."""
    if not isinstance(data, dict):
        return json.dumps(data, ensure_ascii=False)
    if "task_id" in data:
        return f"task {data['task_id']}"
    if "type" in data and "number" in data:
        return f"{data['type']} {data['number']}"
    if isinstance(data.get("text"), str):
        return f"{data['text']} {data['number']}" if "number" in data else str(data["text"])
    return json.dumps(data, ensure_ascii=False)


def handled(trace: Trace) -> Seen:
    """What each role handled, in order; what came back; and what each file has."""
    return _by_role(trace, lambda step: text(step.data), "handled") | trace.files


def handled_and_observed(trace: Trace) -> Seen:
    """The same, and what RabbitMQ itself says."""
    return handled(trace) | {RABBITMQ: [step.note for step in trace.steps(RABBITMQ, "waiting")]}


def keys(trace: Trace) -> Seen:
    """The keys of what each role handled, and of what came back, in order."""
    return _by_role(trace, lambda step: step.routing_key, "handled")


def sorted_keys(trace: Trace) -> Seen:
    """The same where a role serves several queues, so that the order is nobody's choice."""
    return {who: sorted(routing_keys) for who, routing_keys in keys(trace).items()}


def results(trace: Trace) -> Seen:
    """What each role found out about what it handled."""
    return _by_role(trace, lambda step: step.note, "handled")


def course(trace: Trace) -> Seen:
    """What each role did with what it got."""
    return _by_role(trace, _course, "received", "handled")


def shares(trace: Trace) -> Seen:
    """How many messages each role got."""
    return {who: len(trace.steps(who, "received")) for who in trace.waiting()}


def answers(trace: Trace) -> Seen:
    """What each caller was answered, or why not."""
    asked = [told.who for told in trace.told if told.step.action == "waiting" and told.step.data is not None]
    told = {who: trace.steps(who, "received", "failed") for who in asked}
    return {who: [step.note or step.data for step in steps] for who, steps in told.items()}


def loads(trace: Trace) -> Seen:
    """How many messages each role handled, and how many it had in hand at once."""
    return {
        who: {"handled": len(trace.steps(who, "handled")), "at once": _most_at_once(trace, who)}
        for who in trace.waiting()
    }


def _by_role(trace: Trace, describe: Callable[[Step], str], *actions: Action) -> Seen:
    seen: Seen = {who: [describe(step) for step in trace.steps(who, *actions)] for who in trace.waiting()}
    if came_back := [told.step for told in trace.told if told.step.action == "returned"]:
        seen[GIVEN_BACK] = [step.routing_key or text(step.data) for step in came_back]
    return seen


def _course(step: Step) -> str:
    return " ".join(filter(None, (step.action, text(step.data), step.note)))


def _most_at_once(trace: Trace, who: str) -> int:
    in_hand = most = 0
    for step in trace.steps(who, "received", "handled"):
        in_hand += 1 if step.action == "received" else -1
        most = max(most, in_hand)
    return most
