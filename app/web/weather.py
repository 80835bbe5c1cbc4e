"""The weather of every place: what is known last, and over time."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path as File
from typing import Annotated

from fastapi import APIRouter, HTTPException, Path, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from app.weather.errors import StoreError
from app.weather.gaps import Calendar
from app.weather.observation import parse_time
from app.weather.recent import recent_rows
from app.weather.row import Row
from app.web.documents import JSON, Document
from app.web.problems import Responses
from app.web.services import ServicesOf
from beat_schedule import COLLECT_MINUTES

LOOK_BACK = timedelta(days=7)
LONGEST_HOURS = 31 * 24
COLUMNS = (
    "observed_at",
    "provider",
    "temperature_c",
    "humidity_percent",
    "pressure_hpa",
    "wind_speed_ms",
    "wind_direction_deg",
    "precipitation_mm",
    "weather_code",
    "backfilled",
)

UNREADABLE: Responses = {503: {"description": "The weather file cannot be read."}}

router = APIRouter(prefix="/api/weather", tags=["weather"])


class Latest(BaseModel):
    """The last observation of a place."""

    place: str
    latitude: float
    longitude: float
    observed_at: str = Field(description="In UTC.")
    fetched_at: str
    provider: str
    kind: str
    temperature_c: float | None
    humidity_percent: float | None
    pressure_hpa: float | None
    wind_speed_ms: float | None
    wind_direction_deg: float | None
    precipitation_mm: float | None
    weather_code: int | None
    backfilled: bool
    age_seconds: float = Field(description="How long ago it was observed.")
    completeness: float = Field(description="The part of the schedule that is there, of the last seven days: 0 to 1.")


class Series(BaseModel):
    """The observations of a place, oldest first, as one list for each column."""

    place: str
    observed_at: list[str] = Field(description="In UTC.")
    provider: list[str]
    temperature_c: list[float | None]
    humidity_percent: list[float | None]
    pressure_hpa: list[float | None]
    wind_speed_ms: list[float | None]
    wind_direction_deg: list[float | None]
    precipitation_mm: list[float | None]
    weather_code: list[int | None]
    backfilled: list[bool]


@router.get("", summary="The weather of every place now", response_model=list[Latest], responses=UNREADABLE)
async def latest(services: ServicesOf) -> Response:
    """The last observation of every place that has one in the last seven days, its age, and how complete they are."""
    now = datetime.now(UTC)
    places: defaultdict[str, list[Row]] = defaultdict(list)
    for row in await _rows(services.settings.weather_file, now - LOOK_BACK):
        places[row["place"]].append(row)
    configured = [name for name, _, _ in services.settings.weather_places if name in places]
    names = [*configured, *sorted(set(places) - set(configured))]
    return JSON([_latest(places[name], now) for name in names])


@router.get("/{place}/series", summary="The weather of a place over time", response_model=Series, responses=UNREADABLE)
async def series(
    place: Annotated[str, Path(max_length=200)],
    services: ServicesOf,
    hours: Annotated[int, Query(ge=1, le=LONGEST_HOURS)] = 48,
) -> Response:
    """The observations of the last hours."""
    rows = await _rows(services.settings.weather_file, datetime.now(UTC) - timedelta(hours=hours))
    found: list[Document] = [dict(row) for row in rows if row["place"] == place]
    if not found and place not in {name for name, _, _ in services.settings.weather_places}:
        raise HTTPException(404, "There is no place of this name; GET /api/weather names those that there are.")
    return JSON({"place": place} | {column: [row[column] for row in found] for column in COLUMNS})


async def _rows(path: File, since: datetime) -> list[Row]:
    try:
        return await asyncio.to_thread(recent_rows, path, since)
    except StoreError as error:
        raise HTTPException(503, str(error)) from None


def _latest(rows: list[Row], now: datetime) -> Document:
    row = rows[-1]
    age = (now - parse_time(row["observed_at"])).total_seconds()
    facts: Document = {name: value for name, value in row.items() if name != "schema"}
    return facts | {"age_seconds": age, "completeness": _completeness(row["observed_at"] for row in rows)}


def _completeness(times: Iterable[str]) -> float:
    calendar = Calendar()
    calendar.add(times)
    expected = calendar.expected(COLLECT_MINUTES)
    missing = sum(gap.slots for gap in calendar.gaps(COLLECT_MINUTES))
    return (expected - missing) / expected if expected else 1.0
