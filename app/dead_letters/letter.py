"""What a dead letter says: which task it was to start, why that did not happen, and when it was given up."""

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from celery.app.task import Context
from kombu.exceptions import ContentDisallowed, DecodeError
from kombu.message import Message

from app.queues import DELIVERY_LIMIT

DEATH = "weatherbeat-death"
"""The header in which a settled letter has its own account of its death: a copy is no dead letter to the broker."""
LIVES = "weatherbeat-lives"
"""The header that counts how often a letter has been sent again by itself."""

EXPIRED, REJECTED, DELIVERY_LIMIT_REACHED = "expired", "rejected", "delivery_limit"

SENTENCES = {
    EXPIRED: "It expired before a worker was free to take it.",
    REJECTED: "A worker has given it up.",
    DELIVERY_LIMIT_REACHED: f"Its worker ended each of the {DELIVERY_LIMIT + 1} times that it was delivered.",
}


@dataclass(frozen=True, slots=True)
class Death:
    """How a message became a dead letter; `settled` says what its result was told, None while it has not been told."""

    reason: str
    queue: str
    """The queue it was in, and to which it is sent again."""
    died_at: float
    """Seconds since the epoch; 0 when the broker does not say."""
    settled: str | None = None
    tried_since: float = 0.0
    """Since when its task has been in its queue once more, in seconds since the epoch; 0 when it has not."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One dead letter."""

    id: str
    """The id of its task; for a message that is no task, one made of its contents."""
    task: str | None
    args: str
    """Its arguments as the sender has shown them; a message that is no task is shown as it is."""
    kwargs: str
    death: Death
    lives: int
    message: Message

    @property
    def sentence(self) -> str:
        """Why it is a dead letter."""
        if self.death.tried_since:
            return "It was sent again by itself; how that ends is waited for."
        return self.death.settled or SENTENCES.get(self.death.reason, f"The broker gave it up: {self.death.reason}.")

    @property
    def died_at(self) -> datetime:
        """When it became a dead letter."""
        return datetime.fromtimestamp(self.death.died_at, UTC)

    def as_dict(self, now: datetime) -> dict[str, object]:
        """All of it for programs; the age is in seconds."""
        return {
            "id": self.id,
            "task": self.task,
            "args": self.args,
            "kwargs": self.kwargs,
            "reason": self.death.reason,
            "sentence": self.sentence,
            "queue": self.death.queue,
            "died_at": self.died_at.isoformat(),
            "age_seconds": round((now - self.died_at).total_seconds()),
            "settled": self.death.settled is not None,
        }


def read_letter(message: Message) -> DeadLetter:
    """What a message in the queue of dead letters says."""
    headers = message.headers or {}
    task = headers.get("task")
    is_task = isinstance(task, str) and isinstance(headers.get("id"), str)
    lives = headers.get(LIVES)
    return DeadLetter(
        id=headers["id"] if is_task else f"message-{hashlib.sha256(_body(message)).hexdigest()[:12]}",
        task=task if is_task else None,
        args=str(headers.get("argsrepr", "")) if is_task else _body(message)[:1000].decode(errors="replace"),
        kwargs=str(headers.get("kwargsrepr", "")),
        death=_death(headers),
        lives=lives if isinstance(lives, int) else 0,
        message=message,
    )


def death_header(death: Death) -> str:
    """`death` as the value of the header DEATH."""
    return json.dumps(asdict(death))


def request_of(letter: DeadLetter) -> Context:
    """The request of a letter's task, as a worker would have had it.

    Raises ValueError when it is not one that a worker could read.
    """
    headers, properties = letter.message.headers, letter.message.properties
    letter.message.accept = {"application/json"}
    try:
        args, kwargs, embedded = letter.message.payload
        fields = {**headers, **embedded, "args": args, "kwargs": kwargs}
    except (ContentDisallowed, DecodeError, TypeError, ValueError) as error:
        raise ValueError(f"its body cannot be read ({error})") from None
    fields |= {name: properties.get(name) for name in ("reply_to", "correlation_id")}
    return Context(fields, delivery_info={"routing_key": letter.death.queue})


def _body(message: Message) -> bytes:
    body: Any = message.body
    return body if isinstance(body, bytes) else str(body).encode()


def _death(headers: dict[str, Any]) -> Death:
    try:
        return Death(**json.loads(headers[DEATH]))
    except (KeyError, TypeError, ValueError):  # the broker's account, or somebody else's header
        pass
    deaths = headers.get("x-death")
    last: dict[str, Any] = deaths[0] if isinstance(deaths, list) and deaths else {}
    moment = last.get("time")
    return Death(
        str(last.get("reason", "unknown")),
        str(last.get("queue", "")),
        moment.replace(tzinfo=UTC).timestamp() if isinstance(moment, datetime) else 0.0,
    )
