"""States that are stored only of tasks that last: of a shorter one nobody could see that it runs."""

import os
import threading
import time
from collections.abc import Callable

from celery.utils.log import get_logger

SECONDS = 0.1
"""For how long a task runs before it is worth a command to the store to say so."""

logger = get_logger(__name__)


class Later:
    """What is to be stored of tasks in a while, by a thread of its own, unless something else is stored before."""

    def __init__(self) -> None:
        self._reset()
        os.register_at_fork(after_in_child=self._reset)  # the thread stays behind, and may hold the lock

    def _reset(self) -> None:
        self._lock = threading.Condition()
        self._storing: str | None = None
        self._added = threading.Event()
        self._waiting: dict[str, tuple[float, Callable[[], object]]] = {}
        self._thread: threading.Thread | None = None

    def store(self, task_id: str, store: Callable[[], object]) -> None:
        """Have `store` called in a while."""
        with self._lock:
            self._waiting[task_id] = time.monotonic() + SECONDS, store
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, daemon=True, name="results-stored-later")
                self._thread.start()
        if not self._added.is_set():  # to set it again costs as much as the rest
            self._added.set()

    def drop(self, task_id: str) -> None:
        """Have nothing stored of a task any more; what is just being stored is, when this returns."""
        with self._lock:
            self._waiting.pop(task_id, None)
            self._lock.wait_for(lambda: self._storing != task_id)

    def _run(self) -> None:
        while True:
            self._added.wait()
            time.sleep(SECONDS)
            self._added.clear()
            while store := self._take_due():
                try:
                    store()
                except Exception as error:  # the task may be changing its arguments; others are to be stored
                    logger.warning("It was not stored that the task %s runs: %s.", self._storing, error)
                with self._lock:
                    self._storing = None
                    self._lock.notify_all()

    def _take_due(self) -> Callable[[], object] | None:
        """What is to be stored now; notes whose it is, and that there is more to wait for."""
        with self._lock:
            task_id = next(iter(self._waiting), None)
            if task_id is None:
                return None
            if self._waiting[task_id][0] > time.monotonic():
                self._added.set()
                return None
            self._storing = task_id
            return self._waiting.pop(task_id)[1]
