"""The polarity of reviews: of one at once, of one by a worker, of many as a group."""

from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import Annotated, TypeVar

from celery import group
from celery.states import FAILURE, REVOKED
from fastapi import APIRouter, HTTPException, Path
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from starlette.responses import Response

from app.polarity import LONGEST_REVIEW, check, check_length, polarity_of
from app.web.accepted import Accepted, send_task
from app.web.documents import JSON, Document
from app.web.models import Started, TaskState
from app.web.problems import AWAY
from app.web.request_id import current_request_id
from app.web.services import ServicesOf
from app.web.tasks import task_state
from app.web.threads import Threads
from app.web.workflows import ID, started
from app.workflows.document import step_document
from app.workflows.live import LiveRun
from app.workflows.run import outcome
from tasks.polarity import score

Result = TypeVar("Result")

MOST_REVIEWS = 1000
RUN = "polarity"

ReviewText = Annotated[str, Field(min_length=1, max_length=LONGEST_REVIEW), AfterValidator(check_length)]

_scorers = Threads(2, "polarity")
"""Of their own: scoring takes time, and what others do in threads is not to wait for it."""

router = APIRouter(prefix="/polarities", tags=["polarity"])


class Review(BaseModel):
    """A review."""

    model_config = ConfigDict(extra="forbid")

    review: ReviewText = Field(description="The text, in English.", examples=["A wonderful film, I loved it!"])


class Reviews(BaseModel):
    """Many reviews."""

    model_config = ConfigDict(extra="forbid")

    reviews: list[ReviewText] = Field(min_length=1, max_length=MOST_REVIEWS)


class Scored(BaseModel):
    """What a review says."""

    polarity: float = Field(ge=-1, le=1, description="From -1, negative, to 1, positive; 0 without known words.")
    language: str | None = Field(description="en where words are known; of other languages nothing is known.")
    known_words: int = Field(ge=0, description="How many words, emoticons and emoji of the lexicon it has.")


@router.post("/", summary="The polarity of a review, at once", response_model=Scored)
async def score_now(review: Review) -> Response:
    """How positive or negative a review in English is, by VADER."""
    return JSON(asdict(await _in_thread(partial(polarity_of, review.review))))


@router.post(
    "/task", summary="The polarity of a review, by a worker", status_code=202, response_model=Accepted, responses=AWAY
)
async def score_by_task(review: Review, services: ServicesOf) -> Response:
    """Have a worker score a review; the answer says where its result will be."""
    await _in_thread(partial(check, review.review))
    return await send_task(services, score.s(review.review), "/polarities/task")


@router.post("/group", summary="The polarity of many reviews", status_code=202, response_model=Started, responses=AWAY)
async def score_many(reviews: Reviews, services: ServicesOf) -> Response:
    """Have workers score many reviews, as a group; it is a run, and can be looked at and watched as one."""
    await _in_thread(lambda: list(map(check, reviews.reviews)))
    signature = group(score.s(review) for review in reviews.reviews)
    return started(await services.starter.start_signature(RUN, signature, current_request_id()))


@router.get("/task/{task_id}", summary="How the scoring of a review stands", response_model=TaskState, responses=AWAY)
async def show_task(task_id: Annotated[str, Path(pattern=ID)], services: ServicesOf) -> Response:
    """State, progress and result of a review, or of many: of a group, `done` of `total` reviews are scored."""
    followed = await services.following.find(task_id)
    if followed and followed.run.name != RUN:
        raise HTTPException(404, "The run of this id scores no reviews; GET /api/runs/{id} shows it.")
    return JSON(group_state(followed.run) if followed else await task_state(services, task_id))


async def _in_thread(function: Callable[[], Result]) -> Result:
    """Call what looks at the words of reviews; the words of too long a one become a 422."""
    try:
        return await _scorers.call(function)
    except ValueError as error:
        raise HTTPException(422, str(error)) from None


def group_state(run: LiveRun) -> Document:
    """How the scoring of many reviews stands; a run that was broken off or revoked has ended, however far it came."""
    root = step_document("0", run.root)
    error = next((step.error for step in run.root.tasks() if step.error), None)
    result = outcome(run.root) if run.root.succeeded else None
    counts = {name: root[name] for name in ("state", "done", "total", "worker", "retries")}
    if run.broken:
        counts["state"] = FAILURE
    elif run.revoked and run.over and not run.root.succeeded:
        counts["state"] = REVOKED
    return counts | {"id": run.id, "task": score.name, "result": result, "error": error or run.broken}
