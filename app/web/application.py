"""The web application: every endpoint, and what stands before them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from celery import Celery
from fastapi import FastAPI

from app.settings import Settings
from app.web import (
    forecasts,
    health,
    login,
    mails,
    openapi,
    pages,
    pictures,
    polarities,
    problems,
    reports,
    tasks,
    weather,
    workflows,
)
from app.web.access import Access
from app.web.bodies import Bodies
from app.web.documentation import router as documentation
from app.web.headers import Head, SecurityHeaders
from app.web.request_id import RequestId
from app.web.services import running_services

ROUTERS = (
    workflows.router,
    tasks.router,
    weather.router,
    health.router,
    polarities.router,
    login.router,
    pages.router,
    documentation,
    reports.router,
    mails.router,
    pictures.router,
    forecasts.router,
)


def create_application(celery: Celery, settings: Settings) -> FastAPI:
    """The web application over `celery`; it connects when it is started."""

    @asynccontextmanager
    async def lifespan(application: FastAPI) -> AsyncIterator[None]:
        async with running_services(celery, settings) as services:
            application.state.services = services
            yield

    application = FastAPI(
        title="Weatherbeat",
        description="Start Celery workflows and watch them run; the weather of your places; the polarity of a review.",
        version="0.1.0",
        lifespan=lifespan,
        responses=problems.DOCUMENTED,
        docs_url=None,
        redoc_url=None,
    )
    problems.install(application)
    for router in ROUTERS:
        application.include_router(router)
    application.mount("/page", pages.PageFiles())
    openapi.complete(application)
    # The last one added is asked first.
    application.add_middleware(Bodies)
    application.add_middleware(Access, settings=settings)
    application.add_middleware(RequestId)
    application.add_middleware(SecurityHeaders)
    application.add_middleware(Head)
    return application
