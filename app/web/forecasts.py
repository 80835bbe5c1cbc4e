"""`POST /forecasts` and `GET /forecasts`: models of tomorrow's temperature, trained in the background."""

import asyncio

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from app.forecast.scores import read_scores
from app.web.accepted import Accepted, send_task
from app.web.documents import JSON
from app.web.problems import AWAY
from app.web.services import ServicesOf
from tasks.forecast import train

router = APIRouter(prefix="/forecasts", tags=["forecasts"])


class Training(BaseModel):
    """What a model is to be trained for."""

    model_config = ConfigDict(extra="forbid")

    place: str = Field(examples=["Moscow"])


class Score(BaseModel):
    """What became of a training; errors are mean absolute errors in °C, of days that the model had not seen."""

    id: str
    place: str
    made_at: str
    model: str
    features: list[str] = Field(description="What the model is told at the end of a day.")
    trained_days: int
    held_out_days: int
    held_out_from: str
    model_error: float
    same_as_today_error: float = Field(description="How far off it is to say: tomorrow will be as today.")
    is_better: bool = Field(description="Whether the model was closer than that.")
    tomorrow: str = Field(description="The day after the last whole one.")
    tomorrow_c: float = Field(description="The mean temperature that the model expects of that day.")


@router.post(
    "",
    summary="Train a model",
    status_code=202,
    response_model=Accepted,
    responses=AWAY | {404: {"description": "There is no place of this name."}},
)
async def post_training(training: Training, services: ServicesOf) -> Response:
    """Have a worker train a model of tomorrow's mean temperature at a place; the result of its task is its score."""
    names = [name for name, _, _ in services.settings.weather_places]
    if training.place not in names:
        raise HTTPException(404, f"There is no place {training.place!r}; there are {', '.join(names)}.")
    return await send_task(services, train.s(training.place))


@router.get("", summary="The scores of the models", response_model=list[Score])
async def show_scores(services: ServicesOf) -> Response:
    """What became of the last trainings, the newest first."""
    return JSON(await asyncio.to_thread(read_scores, services.settings.data_dir / "forecast"))
