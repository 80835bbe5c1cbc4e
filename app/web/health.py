"""Whether everything works: for the page, and for a load balancer."""

import asyncio
import time

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.responses import Response

from app.health import Check, check_health
from app.web.documents import JSON
from app.web.problems import problem
from app.web.services import ServicesOf

LIMIT = 1.7
"""Seconds that the checks may take: the answer is there within two."""
FRESH_SECONDS = 5.0
"""For how long what was found is told again: many may ask, and each check costs the workers a task."""
FLOWER_PORT = 5555

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
    flower: str | None = Field(description="Where Flower is, when it answers on the web front's own machine.")


class Alive(BaseModel):
    """That requests are served."""

    ok: bool


class Checkup:
    """What was found last; one look at a time, whoever asks."""

    def __init__(self) -> None:
        self._checks: list[Check] = []
        self._looked = -FRESH_SECONDS
        self._lock = asyncio.Lock()

    async def checks(self) -> list[Check]:
        """What is known, or found now."""
        async with self._lock:
            if time.monotonic() - self._looked > FRESH_SECONDS:
                self._checks = await asyncio.to_thread(check_health, LIMIT)
                self._looked = time.monotonic()
        return self._checks


_checkup = Checkup()


@router.get("/api/health", summary="Whether everything works", response_model=Health)
async def health() -> Response:
    """Every check with a sentence, within two seconds, whatever is broken."""
    checks, flower = await asyncio.gather(_checkup.checks(), _flower())
    entries = [{"name": check.name, "ok": check.ok, "sentence": check.sentence} for check in checks]
    is_well = all(check.ok for check in checks)
    return JSON({"ok": is_well, "checks": entries, "dead_letters": None, "flower": flower})


@router.get("/healthz", summary="Whether this process can do its work", response_model=Alive)
async def healthz(services: ServicesOf) -> Response:
    """For a load balancer: 503 while broker or result store do not answer."""
    if services.liveness.has_trouble("broker") or services.liveness.has_trouble("results"):
        return problem(503, services.liveness.trouble, {"Retry-After": "5"})
    return JSON({"ok": True})


async def _flower() -> str | None:
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection("127.0.0.1", FLOWER_PORT), 0.2)
    except OSError:
        return None
    writer.close()
    return f"http://127.0.0.1:{FLOWER_PORT}"
