"""The answer to what is done in the background: 202, and where to look for how it stands."""

from typing import Any

from celery import uuid
from celery.canvas import Signature
from pydantic import BaseModel
from starlette.responses import Response

from app.sending import BrokerAway
from app.task import REQUEST_ID
from app.web.documents import JSON
from app.web.request_id import current_idempotency_key, current_request_id
from app.web.services import Services


class Accepted(BaseModel):
    """Where to look for the state, the progress and the result of a task."""

    id: str
    url: str


async def send_task(services: Services, task: Signature[Any], where: str = "/api/tasks") -> Response:
    """Send a task and say where to look; one whose Idempotency-Key was sent already is not sent again.

    Raises BrokerAway when that cannot be done now, and StoreAway when it cannot be told.
    """
    key = current_idempotency_key()
    task_id = str(task.id or key or uuid())
    address = {"id": task_id, "url": f"{where}/{task_id}"}
    if task_id != key or not await _is_sent(services, task_id):
        try:
            await services.store.send(task.set(task_id=task_id, headers={REQUEST_ID: current_request_id()}))
        except BrokerAway as error:
            error.where = address if error.maybe_sent else {}
            raise
    return JSON(address, 202, {"Location": address["url"]})


async def _is_sent(services: Services, task_id: str) -> bool:
    if services.sent.knows(task_id):
        return True
    return await services.store.ask(lambda records: records.remembers(task_id) or bool(records.metas([task_id])))
