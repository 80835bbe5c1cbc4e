"""Workflows over HTTP: list them, start one, see how it stands, watch it, call it off."""

import re
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, HTTPException, Path
from fastapi.sse import EventSourceResponse
from pydantic import BaseModel, ConfigDict, Field, StrictFloat, StrictInt
from starlette.responses import Response

from app.web.documents import JSON
from app.web.following import Followed
from app.web.models import Heading, Run, Started, WorkflowEntry
from app.web.problems import AWAY
from app.web.request_id import current_request_id
from app.web.services import ServicesOf
from app.web.streams import events
from app.workflows.catalogue import WORKFLOWS, Workflow
from app.workflows.live import LiveRun
from app.workflows.progress import plan
from app.workflows.run import chords_refused

VERSION = re.compile("[0-9]{1,19}")
ID = r"^[0-9a-zA-Z-]{1,64}$"
EVENT = {"type": "object", "properties": {name: {"type": "string"} for name in ("id", "event", "data")}}
"""One of a stream's."""

router = APIRouter(prefix="/api", tags=["workflows"])


class Start(BaseModel):
    """How to start a workflow."""

    model_config = ConfigDict(extra="forbid")

    parameters: dict[str, StrictInt | StrictFloat] = Field({}, description="Any of the workflow's parameters, by name.")


async def _followed(services: ServicesOf, run_id: Annotated[str, Path(pattern=ID)]) -> Followed:
    followed = await services.following.find(run_id)
    if followed is None:
        raise HTTPException(404, "There is no run of this id; runs are kept for a day.")
    return followed


FollowedRun = Annotated[Followed, Depends(_followed)]


@router.get("/workflows", summary="The workflows that can be started", response_model=list[WorkflowEntry])
async def list_workflows(services: ServicesOf) -> Response:
    """Every workflow, with its code, its parameters, and why it cannot run here, if so."""
    refusal = chords_refused(services.celery)
    return JSON([_entry(name, workflow, refusal) for name, workflow in WORKFLOWS.items()])


def _entry(name: str, workflow: Workflow, refusal: str | None) -> dict[str, Any]:
    needs_chords = not workflow.in_process and plan(workflow.build()).has_chord
    fields = ("name", "type", "default", "minimum", "maximum")
    return {
        "name": name,
        "summary": workflow.summary,
        "code": workflow.code,
        "needs_chords": needs_chords,
        "refused": refusal if needs_chords else None,
        "parameters": [{field: getattr(parameter, field) for field in fields} for parameter in workflow.parameters],
    }


@router.post(
    "/workflows/{name}/runs", summary="Start a workflow", status_code=202, response_model=Started, responses=AWAY
)
async def start_workflow(
    name: Annotated[str, Path(json_schema_extra={"enum": list(WORKFLOWS)})],
    services: ServicesOf,
    start: Start | None = None,
) -> Response:
    """Start a workflow and answer at once; the answer says where to look."""
    if name not in WORKFLOWS:
        raise HTTPException(404, "There is no workflow of this name; GET /api/workflows lists them.")
    try:
        run = await services.starter.start(name, start.parameters if start else {}, current_request_id())
    except ValueError as error:
        raise HTTPException(422, str(error)) from None
    return started(run)


def started(run: LiveRun) -> Response:
    """The answer to a request that has started `run`."""
    url = f"/api/runs/{run.id}"
    return JSON({"id": run.id, "url": url, "events": f"{url}/events"}, 202, {"Location": url})


@router.get("/runs", summary="The last runs", response_model=list[Heading], responses=AWAY)
async def list_runs(services: ServicesOf) -> Response:
    """The last runs, the newest first, whoever started them."""
    kept = {run["id"]: run for run in await services.store.ask(lambda records: records.recent())}
    kept |= {run.id: run.heading() for run in services.following.runs() if run.id in kept}
    fields = ("id", "name", "state", "started", "ended")
    return JSON([{field: run[field] for field in fields} for run in kept.values()])


@router.get("/runs/{run_id}", summary="A run and each of its steps", response_model=Run, responses=AWAY)
async def show_run(followed: FollowedRun) -> Response:
    """How a run stands: the tree of its steps, with the state, result, time and worker of each."""
    return JSON(followed.run.document())


@router.get(
    "/runs/{run_id}/events",
    summary="A run as it goes on",
    response_class=Response,
    responses=AWAY | {200: {"content": {"text/event-stream": {"schema": EVENT}}}},
)
async def watch_run(
    followed: FollowedRun, services: ServicesOf, last_event_id: Annotated[str | None, Header()] = None
) -> Response:
    """Server-sent events: `run` (the whole document), `steps` (those that changed), `trouble`, at last `end`.

    The stream closes after `end`: do not come back then. Whoever sends the id of the last event as Last-Event-ID is
    told what came since.
    """
    seen = int(last_event_id) if last_event_id and VERSION.fullmatch(last_event_id) else None
    stream = events(services.following, followed, seen)
    return EventSourceResponse(stream, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})


@router.post("/runs/{run_id}/revoke", summary="Call a run off", status_code=202, response_model=Heading, responses=AWAY)
async def revoke_run(followed: FollowedRun, services: ServicesOf) -> Response:
    """Have no further step of a run begin; what a worker is doing already, it finishes."""
    if not followed.run.over:
        await services.starter.revoke(followed)
    return JSON(followed.run.heading(), 202)
