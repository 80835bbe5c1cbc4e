"""Listening for results in Redis."""

from typing import Any

from celery.backends.redis import ResultConsumer  # type: ignore[attr-defined]  # the stubs omit it

from app.sending import current_sending


class Listener(ResultConsumer):  # type: ignore[misc]  # as above
    """Celery's listener, which who sends with a limit does not wait for.

    A group listens for its parts as soon as it knows their ids, before it is sent; here it does when it is waited for.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._later: set[str] = set()

    def consume_from(self, task_id: str) -> None:
        """Listen for the result of a task."""
        if current_sending() is None:
            super().consume_from(task_id)
        else:
            self._later.add(task_id)

    def on_wait_for_pending(self, result: Any, **options: Any) -> None:
        """Listen for what somebody waits for now, then look what is there already."""
        while self._later:
            super().consume_from(self._later.pop())
        super().on_wait_for_pending(result, **options)

    def cancel_for(self, task_id: str) -> None:
        """Listen no more for the result of a task."""
        self._later.discard(task_id)
        super().cancel_for(task_id)
