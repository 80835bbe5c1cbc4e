"""Handing something over to another service once, however often the task that does it runs.

`app.idempotency.once` writes an effect and its mark in one transaction. An effect at another service has no part in
that, so here are two marks: one before the service is given the thing, and one after it has said that it has it. A run
that was killed between the two leaves it in doubt: the service may have the thing or not, and nobody can know but the
service. It is not handed over again then; whoever looks after it is told instead.

What it guarantees, as long as the marks are kept: nothing is handed over by two runs, and nothing is lost without a
word. What it cannot: find out what the service did with the thing of a run that was killed.
"""

from types import TracebackType
from typing import Self

from redis import Redis, RedisError

from app.idempotency import KEEP_SECONDS

MARK_PREFIX = "weatherbeat:handed-over:"
BEGUN = b"begun"
DONE = b"done"


class UnderWay(Exception):
    """Another run is handing it over, or was killed while it did; in `seconds` it is known which."""

    def __init__(self, seconds: float) -> None:
        super().__init__("another run is handing it over")
        self.seconds = seconds


class InDoubt(Exception):
    """A run was ended while it handed it over: the service may have it or not."""


class HandOver:
    """The handing over of one thing: `with hand_over:` around the step that gives it to the service.

    A block that raises one of `not_taken` says that the service does not have it; it may be tried again.
    """

    def __init__(self, store: Redis, key: str, longest_seconds: float, not_taken: tuple[type[Exception], ...]) -> None:
        """Prepare it: `key` names the thing, not the attempt; no run takes longer than `longest_seconds` for it."""
        self._store = store
        self._mark = MARK_PREFIX + key
        self._longest_seconds = longest_seconds
        self._not_taken = not_taken

    def is_done(self) -> bool:
        """Whether the service has it. Raises UnderWay or InDoubt when another run has begun and not ended."""
        match self._store.get(self._mark):
            case None:
                return False
            case b"done" | "done":
                return True
        age = KEEP_SECONDS - int(str(self._store.ttl(self._mark)))
        if age > self._longest_seconds:
            raise InDoubt
        raise UnderWay(self._longest_seconds - age + 1)

    def __enter__(self) -> Self:
        """Mark it as begun; raises UnderWay when another run was first."""
        if not self._store.set(self._mark, BEGUN, ex=KEEP_SECONDS, nx=True):
            raise UnderWay(self._longest_seconds)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Mark it as done, or take the mark back; a store that is away then leaves it as begun."""
        try:
            if error is None:
                self._store.set(self._mark, DONE, ex=KEEP_SECONDS)
            elif isinstance(error, self._not_taken):
                self._store.delete(self._mark)
        except RedisError:
            # With what was begun, nothing is handed over twice; what the block did or raised is what counts.
            return
