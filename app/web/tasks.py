"""The state, progress and result of any task."""

from dataclasses import replace
from typing import Annotated

from celery.states import PENDING
from fastapi import APIRouter, HTTPException, Path
from starlette.responses import Response

from app.web.documents import JSON, Document
from app.web.models import TaskState
from app.web.problems import AWAY
from app.web.services import Services, ServicesOf
from app.web.workflows import ID
from app.workflows.progress import Progress, Step

FIELDS = ("id", "state", "done", "total", "result", "error", "worker", "retries")

router = APIRouter(prefix="/api", tags=["tasks"])


@router.get("/tasks/{task_id}", summary="How a task stands", response_model=TaskState, responses=AWAY)
async def show_task(task_id: Annotated[str, Path(pattern=ID)], services: ServicesOf) -> Response:
    """The state of a task that was sent from here, or of which there is a result; a day later nobody knows of it."""
    return JSON(await task_state(services, task_id))


async def task_state(services: Services, task_id: str) -> Document:
    """How a task stands; raises HTTPException 404 when nobody knows of it."""
    metas, is_remembered = await services.store.ask(
        lambda records: (records.metas([task_id]), records.remembers(task_id))
    )
    followed = services.following.step(task_id)
    step = replace(followed, children=[]) if followed else Step("task", "", id=task_id, state=PENDING)
    if meta := metas.get(task_id):
        Progress(step).record(task_id, meta)
    elif not (followed or is_remembered or services.sent.knows(task_id)):
        raise HTTPException(404, "No task of this id is known: it was not sent from here, or its result has expired.")
    name = (meta.get("name") or None) if meta else None
    return {"task": name or step.name or None} | {field: getattr(step, field) for field in FIELDS}
