"""What the endpoints work with: made when the application starts, and closed when it ends."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated

from celery import Celery
from fastapi import Depends, Request

from app.settings import Settings
from app.web.following import Following
from app.web.liveness import Liveness
from app.web.sent import Sent
from app.web.starting import Starter
from app.web.store import Store


@dataclass(frozen=True, slots=True)
class Services:
    """What the endpoints work with."""

    celery: Celery
    settings: Settings
    store: Store
    liveness: Liveness
    following: Following
    starter: Starter
    sent: Sent


@asynccontextmanager
async def running_services(celery: Celery, settings: Settings) -> AsyncIterator[Services]:
    """The services, following what happens, for as long as the block runs."""
    liveness = Liveness(celery)
    store = Store(celery, liveness)
    sent = Sent()
    following = Following(celery, store, liveness, sent)
    starter = Starter(celery, store, following, liveness)
    sent.start()
    await following.start()
    try:
        yield Services(celery, settings, store, liveness, following, starter, sent)
    finally:
        await following.stop()
        sent.stop()


def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


ServicesOf = Annotated[Services, Depends(_services)]
