"""Tasks that take their time and report how far they have come."""

import time
from typing import Any

from celery import Task

from app.celery import app

PROGRESS_STATE = "PROGRESS"
PROGRESS_EVENT = "task-progress"


@app.task(bind=True)
def count(self: "Task[Any, int]", total: int, seconds: float) -> int:
    """Count to `total` in about `seconds` seconds, reporting each step; return `total`."""
    for done in range(1, total + 1):
        time.sleep(seconds / total)
        report_progress(self, done, total)
    return total


def report_progress(task: "Task[Any, Any]", done: int, total: int) -> None:
    """Tell how far `task` has come: in its result for whoever asks later, as an event for whoever watches now."""
    task.update_state(state=PROGRESS_STATE, meta={"done": done, "total": total})
    task.send_event(PROGRESS_EVENT, done=done, total=total)
