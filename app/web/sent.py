"""The ids of the tasks that this process has sent: one that no worker has begun yet is told from an unknown one."""

from collections import OrderedDict
from threading import Lock
from typing import Any

from celery.signals import after_task_publish

from app.queues import CANARY

MOST = 10_000


class Sent:
    """Those ids, the last ones; they are noted from `start` to `stop`, whoever sends."""

    def __init__(self) -> None:
        self._ids: OrderedDict[str, None] = OrderedDict()
        self._new: list[str] = []
        self._lock = Lock()

    def start(self) -> None:
        """Begin to note."""
        after_task_publish.connect(self._note)

    def stop(self) -> None:
        """End."""
        after_task_publish.disconnect(self._note)

    def knows(self, task_id: str) -> bool:
        """Whether the task was sent from here."""
        return task_id in self._ids

    def take_new(self) -> list[str]:
        """The ids that were noted since this was asked last."""
        with self._lock:
            new, self._new = self._new, []
        return new

    def _note(self, sender: str = "", headers: dict[str, Any] | None = None, **_: Any) -> None:
        if sender == CANARY:  # nobody looks for those of the health check
            return
        if task_id := (headers or {}).get("id"):
            with self._lock:
                self._ids[task_id] = None
                self._new.append(task_id)
                if len(self._ids) > MOST:
                    self._ids.popitem(last=False)
