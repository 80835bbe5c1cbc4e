"""What every task of the application is, and what becomes of one whose process was killed."""

from contextlib import suppress
from typing import Any

import celery
from celery.exceptions import Ignore, TaskRevokedError, WorkerLostError
from celery.states import REVOKED
from celery.utils.log import get_task_logger
from celery.worker import request
from redis import RedisError

from app.queues import DELIVERY_LIMIT

REQUEST_ID = "request_id"
"""The header of a message that has the id of the web request it was sent for."""
RUN_ID = "run_id"
"""The header of a message that has the id of the run of a workflow it belongs to."""

logger = get_task_logger(__name__)


def called_off_key(run_id: str) -> str:
    """Where the result store keeps that nothing of a run shall begin any more."""
    return f"weatherbeat:called-off:{run_id}"


class Task(celery.Task[Any, Any]):
    """A task; `@app.task` makes them of this class."""

    Request = "app.task:Request"

    def before_start(self, task_id: str, args: Any, kwargs: Any) -> None:
        """Say in the log which web request the task belongs to, if it does; do not begin one of a run called off."""
        headers = self.request.headers or {}
        if request_id := headers.get(REQUEST_ID):
            logger.info("It belongs to the request %s.", request_id)
        if (run_id := headers.get(RUN_ID)) and self._is_called_off(run_id):
            logger.info("Its run %s was called off.", run_id)
            self.backend.mark_as_revoked(task_id, "its run was called off", request=self.request)
            raise Ignore

    def _is_called_off(self, run_id: str) -> bool:
        """Celery tells the workers that are up; this is for those that come later. Over rpc:// nobody can know."""
        client = getattr(self.backend, "client", None)
        with suppress(RedisError, OSError):  # a store that is away has no say in what runs
            return client is not None and bool(client.exists(called_off_key(run_id)))
        return False


class Request(request.Request):
    """A task in a worker, which says in the task's result that RabbitMQ will not deliver it any more."""

    _reason: Any = None

    def on_failure(self, exc_info: Any, send_failed_event: bool = True, return_ok: bool = False) -> Any:
        """Note why the task failed before Celery decides what to do about it."""
        self._reason = exc_info.exception
        return super().on_failure(exc_info, send_failed_event, return_ok)

    def _announce_revoked(self, reason: str, terminated: bool, signum: Any, expired: bool) -> None:
        """End with a task that has expired all that waits for it, which Celery leaves waiting: a chain, say."""
        if expired:
            self.task.backend.mark_as_failure(
                self.id,
                TaskRevokedError(reason),
                request=self._context,  # type: ignore[attr-defined]  # the stubs omit it
                store_result=self.store_errors,
                state=REVOKED,
            )
        super()._announce_revoked(reason, terminated, signum, expired)  # type: ignore[misc]  # as above

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
