"""Whether everything works: for the page, and for a load balancer."""

import asyncio
import time
from functools import partial

from celery import Celery
from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.responses import Response

from app.dead_letters.box import count_dead_letters
from app.health import Check, check_health
from app.sending import FAILURES
from app.settings import Settings
from app.web.documents import JSON
from app.web.problems import AWAY, problem
from app.web.services import ServicesOf
from app.web.threads import Threads

LIMIT = 1.7
"""Seconds that the checks may take: the answer is there within two."""
FRESH_SECONDS = 5.0
"""For how long what was found is told again: many may ask, and each check costs the workers a task."""
FLOWER_PORT = 5555
FLOWER_SECONDS = 0.2

router = APIRouter(tags=["health"])


class CheckEntry(BaseModel):
    """What a check has found."""

    name: str
    ok: bool
    sentence: str


class Health(BaseModel):
    """Whether everything works."""

    ok: bool
    checks: list[CheckEntry]
    dead_letters: int | None = Field(description="How many messages no worker could finish; null where nobody counts.")
    flower: str | None = Field(description="Where Flower is, as far as is known.")


class Alive(BaseModel):
    """That requests are served."""

    ok: bool


class Checkup:
    """What was found last; one look at a time, whoever asks."""

    def __init__(self) -> None:
        self._found: tuple[list[Check], int | None] = [], None
        self._looked = -FRESH_SECONDS
        self._lock = asyncio.Lock()

    async def look(self, celery: Celery) -> tuple[list[Check], int | None]:
        """Every check, and the number of dead letters."""
        async with self._lock:
            if time.monotonic() - self._looked > FRESH_SECONDS:
                checks = asyncio.to_thread(check_health, LIMIT)
                self._found = await asyncio.gather(checks, _dead_letters(celery))
                self._looked = time.monotonic()
        return self._found


_checkup = Checkup()
_counter = Threads(1, "dead-letters")


@router.get("/api/health", summary="Whether everything works", response_model=Health)
async def health(services: ServicesOf) -> Response:
    """Every check with a sentence, within two seconds, whatever is broken."""
    (checks, dead_letters), flower = await asyncio.gather(_checkup.look(services.celery), _flower(services.settings))
    entries = [{"name": check.name, "ok": check.ok, "sentence": check.sentence} for check in checks]
    is_well = all(check.ok for check in checks)
    return JSON({"ok": is_well, "checks": entries, "dead_letters": dead_letters, "flower": flower})


@router.get("/healthz", summary="Whether this process can do its work", response_model=Alive, responses=AWAY)
async def healthz(services: ServicesOf) -> Response:
    """For a load balancer: 503 while broker or result store do not answer."""
    if services.liveness.has_trouble("broker") or services.liveness.has_trouble("results"):
        return problem(503, services.liveness.trouble, {"Retry-After": "5"})
    return JSON({"ok": True})


async def _flower(settings: Settings) -> str | None:
    if settings.flower_url:
        return settings.flower_url
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection("127.0.0.1", FLOWER_PORT), FLOWER_SECONDS)
    except OSError:
        return None
    writer.close()
    return f"http://127.0.0.1:{FLOWER_PORT}"


async def _dead_letters(celery: Celery) -> int | None:
    """How many there are; None where nobody counts them, or the broker does not tell in time."""
    try:
        return await asyncio.wait_for(_counter.call(partial(count_dead_letters, celery, LIMIT)), LIMIT)
    except (TimeoutError, *FAILURES):
        return None
