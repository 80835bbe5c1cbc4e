"""A time limit that many tasks share, by one timer; a timer for each would cost a tenth of what a message costs."""

import asyncio


class Deadline:
    """Ends each task that is longer than `seconds` between `enter` and `leave`, as `asyncio.timeout` would.

    A task is ended by a cancellation; `expired` then says that it came from here. A task is here once at a time.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._ends: dict[asyncio.Task[object], float] = {}
        self._expired: set[asyncio.Task[object]] = set()
        self._timer: asyncio.TimerHandle | None = None

    def enter(self, task: asyncio.Task[object]) -> None:
        """Start the time of `task`."""
        loop = task.get_loop()
        self._ends[task] = loop.time() + self._seconds
        if self._timer is None:
            self._timer = loop.call_later(self._seconds, self._expire, loop)

    def leave(self, task: asyncio.Task[object]) -> None:
        """End the time of `task`."""
        self._ends.pop(task, None)
        self._expired.discard(task)

    def expired(self, task: asyncio.Task[object]) -> bool:
        """Whether `task` was cancelled from here, and by nobody else; the cancellation is then taken back."""
        return task in self._expired and task.uncancel() == 0

    def _expire(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        now = loop.time()
        for task, end in list(self._ends.items()):  # in the order of their ends, since all have the same time
            if end > now:
                self._timer = loop.call_at(end, self._expire, loop)
                break
            del self._ends[task]
            self._expired.add(task)
            task.cancel()
