"""What every task of the application is, and what becomes of one whose process was killed."""

from typing import Any

import celery
from celery.exceptions import WorkerLostError
from celery.utils.log import get_task_logger
from celery.worker import request

from app.queues import DELIVERY_LIMIT

REQUEST_ID = "request_id"
"""The header of a message that has the id of the web request it was sent for."""


logger = get_task_logger(__name__)


class Task(celery.Task[Any, Any]):
    """A task; `@app.task` makes them of this class."""

    Request = "app.task:Request"

    def before_start(self, task_id: str, args: Any, kwargs: Any) -> None:
        """Say in the log which web request the task belongs to, if it does."""
        if request_id := (self.request.headers or {}).get(REQUEST_ID):
            logger.info("It belongs to the request %s.", request_id)


class Request(request.Request):
    """A task in a worker, which says in the task's result that RabbitMQ will not deliver it any more."""

    _reason: Any = None

    def on_failure(self, exc_info: Any, send_failed_event: bool = True, return_ok: bool = False) -> Any:
        """Note why the task failed before Celery decides what to do about it."""
        self._reason = exc_info.exception
        return super().on_failure(exc_info, send_failed_event, return_ok)

    def reject(self, requeue: bool = False) -> None:
        """Give the message back to the broker, or up."""
        if requeue and not self.acknowledged and self._deliveries > DELIVERY_LIMIT:
            self._fail()
            requeue = False  # RabbitMQ would not requeue it either: it becomes a dead letter
        super().reject(requeue)

    @property
    def _deliveries(self) -> int:
        """How often this message has been delivered; quorum queues count that, others do not."""
        return int(self.request_dict.get("x-delivery-count", 0)) + 1

    def _fail(self) -> None:
        reason = f"{self._reason or 'It was given back.'} It was delivered {self._deliveries} times, the last time now."
        context = self._context  # type: ignore[attr-defined]  # the stubs omit it
        self.task.backend.mark_as_failure(
            self.id, WorkerLostError(reason), request=context, store_result=self.store_errors
        )
