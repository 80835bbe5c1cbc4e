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
        self._lock = threading.Lock()
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
        self._added.set()

    def drop(self, task_id: str) -> None:
        """Have nothing stored of a task any more; what is just being stored is, when this returns."""
        with self._lock:
            self._waiting.pop(task_id, None)

    def _run(self) -> None:
        while True:
            self._added.wait()
            time.sleep(SECONDS)
            self._added.clear()
            self._store_what_is_due()

    def _store_what_is_due(self) -> None:
        now = time.monotonic()
        with self._lock:
            for task_id in [task_id for task_id, (due, _) in self._waiting.items() if due <= now]:
                _, store = self._waiting.pop(task_id)
                try:
                    store()
                except Exception:  # the thread goes on, for other tasks
                    logger.exception("It was not stored that the task %s runs.", task_id)
            if self._waiting:
                self._added.set()
