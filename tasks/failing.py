"""Tasks that fail on purpose, to show what happens then."""

from typing import Any, NoReturn

from celery import Task

from app.celery import app


class NotYet(Exception):
    """The attempt came too early; a later one will succeed."""


@app.task
def broken_task() -> NoReturn:
    """Fail, always.

    Raises RuntimeError("failed").
    """
    raise RuntimeError("failed")


@app.task(bind=True, autoretry_for=(NotYet,), retry_backoff=1, retry_backoff_max=8, retry_jitter=True, max_retries=5)
def unreliable(self: "Task[Any, str]", failures: int) -> str:
    """Fail `failures` times, then succeed: retried by Celery after at most 1, 2, 4, then 8 seconds, at random below it.

    Raises NotYet until then.
    """
    attempt = self.request.retries + 1
    if attempt <= failures:
        raise NotYet(f"attempt {attempt} failed")
    return f"succeeded at attempt {attempt}"
