"""Results as a sender waits for them: what Celery asks for part by part is asked for at once, and not too often."""

# mypy: disable-error-code="attr-defined, has-type, misc, no-any-return, type-arg, union-attr"
# The stubs of celery leave out what its results are made of.

from collections.abc import Iterator
from time import monotonic
from typing import Any

from celery import result
from celery.states import PROPAGATE_STATES
from vine import barrier

LOOKING_SHARE = 0.1
"""Of the time in which somebody waits, so much may be spent on looking whether an earlier task has failed."""


class AsyncResult(result.AsyncResult):
    """Celery's result of a task."""

    _look_again_at = 0.0

    def get(self, *arguments: Any, **options: Any) -> Any:
        """Wait for the task, and return its result; as Celery has it."""
        self._look_again_at = 0.0
        return super().get(*arguments, **options)

    def then(self, callback: Any, on_error: Any = None, weak: bool = False) -> Any:
        """Call `callback` when the task has ended and somebody waits for anything.

        A group that counts its parts so needs none of them to be listened for, nor held, before it is waited for.
        """
        if isinstance(callback, barrier):
            return super().then(callback, on_error, weak=True)
        then = super().then(callback, on_error, weak)
        _expect(self)
        return then

    def _maybe_reraise_parent_error(self) -> None:
        """Celery calls this for every message that comes in, and after a chord each look is one at its whole header."""
        has_failed = self._cache is not None and self._cache["status"] in PROPAGATE_STATES  # perhaps for their error
        if (started := monotonic()) < self._look_again_at and not has_failed:
            return
        super()._maybe_reraise_parent_error()
        now = monotonic()
        self._look_again_at = now + (now - started) / LOOKING_SHARE


class GroupResult(result.GroupResult):
    """Celery's result of a group."""

    @property
    def backend(self) -> Any:
        """That of its tasks: each thread has its own, and the one that waits need not be the one that has sent."""
        return (self.results and self.results[0].backend) or super().backend

    def then(self, callback: Any, on_error: Any = None, weak: bool = False) -> Any:
        """Call `callback` when all tasks have ended and somebody waits for anything."""
        if not isinstance(callback, barrier):
            _expect(self)
        return super().then(callback, on_error, weak)

    def maybe_throw(self, callback: Any = None, propagate: bool = True) -> None:
        """Raise the error of a part that has failed; `callback` is given the value of each part that has ended."""
        if not hasattr(self.backend, "ready_results"):
            super().maybe_throw(callback, propagate)
            return
        unknown = {part.id: part for part in self.results if getattr(part, "_cache", self) is None}
        for meta in self.backend.ready_results(unknown):
            unknown[meta["task_id"]]._maybe_set_cache(meta)
        for part in self.results:
            if part.id not in unknown or part._cache is not None:
                part.maybe_throw(callback=callback, propagate=propagate)

    maybe_reraise = maybe_throw

    def _iter_meta(self, **options: Any) -> Iterator[Any]:
        """Celery's own sleeps for half a second when a part is missing."""
        if not hasattr(self.backend, "ready_results"):
            return super()._iter_meta(**options)
        return self.backend.ready_results({part.id for part in self.results})


def _expect(waited_for: Any) -> None:
    listener = getattr(waited_for.backend, "result_consumer", None)
    if hasattr(listener, "expect"):
        listener.expect(waited_for)
