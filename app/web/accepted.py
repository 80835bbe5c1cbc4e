"""The answer to what is done in the background: 202, and where to look for how it stands."""

from typing import Any

from celery.canvas import Signature
from pydantic import BaseModel
from starlette.responses import Response

from app.task import REQUEST_ID
from app.web.documents import JSON
from app.web.request_id import current_request_id
from app.web.services import Services


class Accepted(BaseModel):
    """Where to look for the state, the progress and the result of a task."""

    id: str
    url: str


async def send_task(services: Services, task: Signature[Any], where: str = "/api/tasks") -> Response:
    """Send a task and say where to look; raises BrokerAway when that cannot be done now."""
    task_id = str(task.freeze().id)
    await services.store.send(task.set(headers={REQUEST_ID: current_request_id()}))
    url = f"{where}/{task_id}"
    return JSON({"id": task_id, "url": url}, 202, {"Location": url})
