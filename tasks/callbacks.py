"""Tasks that follow another task: `link` calls one after a success, `link_error` after a failure."""

from typing import Any

from celery import Task

from app.celery import app

ERRBACK_EVENT = "task-errback"
"""Sent by an errback of more than one argument: Celery calls it inside the failed task's worker, so that no event of
its own would ever tell that it ran. `failed` is the failed task's id, `result` what the errback said."""


@app.task
def print_task(x: object) -> object:
    """Print `x` in the worker and return it."""
    print(x)
    return x


@app.task(bind=True)
def on_task_success(self: "Task[Any, str]", result: object, task_name: str) -> str:
    """Print which task succeeded. A link callback is given the result; the id is that of its own parent."""
    return _say(f"TASK SUCCEEDED {self.request.parent_id}: {task_name} returned {result!r}")


@app.task
def on_task_error(request: Any, exc: BaseException, traceback: object) -> str:
    """Print which task failed, and why. Celery calls it in the worker of the task that failed."""
    said = _say(f"ERROR IN TASK {request.id}: {request.task} failed: {exc!r}")
    on_task_error.send_event(ERRBACK_EVENT, failed=request.id, result=said)
    return said


def _say(sentence: str) -> str:
    print(sentence)
    return sentence
