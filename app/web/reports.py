"""`GET /reports/{place}`: the report of a place, made by a report worker over RabbitMQ, or by a Celery worker."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any, Final
from urllib.parse import quote

from celery.canvas import Signature
from celery.states import READY_STATES
from fastapi import APIRouter, FastAPI, HTTPException, Query, Request, Response

from app.messaging.connection import RabbitMQConnectionManager
from app.messaging.errors import CallFailed, CallTimedOut, MessageUnroutable, MessagingError
from app.messaging.names import REPORTS
from app.messaging.rpc import RpcClient, RpcClientConfig
from app.reporting.order import NO_ROWS
from app.reporting.period import MOST_DAYS
from app.task import REQUEST_ID
from app.web.problems import AWAY, RETRY_SECONDS
from app.web.request_id import current_request_id
from app.web.services import Services, ServicesOf
from app.web.store import Store
from tasks.report import PDF, make

LIMIT_SECONDS: Final = 10.0
BROKER_SECONDS: Final = 1.8
"""In this time it is known whether RabbitMQ has the order."""
POLL_SECONDS: Final = 0.1
PDF_TYPE: Final = "application/pdf"
TOO_LATE: Final = (
    f"The report was not ready within {LIMIT_SECONDS:g} s: ask again, ask for fewer days, or see that its worker runs."
)
NO_WORKER: Final = "No report worker has been started on this RabbitMQ: start one with python -m app.report_worker."


class Caller:
    """The client of this process for orders over RabbitMQ, connected at the first one."""

    def __init__(self) -> None:
        self._client: RpcClient | None = None
        self._connecting = asyncio.Lock()

    async def call(self, url: str, order: dict[str, Any]) -> Any:
        """Send an order and wait for its answer.

        Raises TimeoutError when RabbitMQ does not answer in time, and what RpcClient raises.
        """
        async with asyncio.timeout(BROKER_SECONDS):
            client = await self._connected(url)
        return await client.call(order)

    async def stop(self) -> None:
        """Leave the connection."""
        if self._client is not None:
            await self._client.stop()

    async def _connected(self, url: str) -> RpcClient:
        async with self._connecting:
            if self._client is None:
                config = RpcClientConfig(url, REPORTS.name, LIMIT_SECONDS, confirm_timeout=BROKER_SECONDS)
                client = RpcClient(config)
                await client.start()
                self._client = client
        # A connection that was lost comes back by itself; until then, nobody is to wait for the end of the limit.
        await RabbitMQConnectionManager.shared(url).get_connection()
        return self._client


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
    """Have a caller for as long as the application runs."""
    caller = Caller()
    yield {"report_caller": caller}
    await caller.stop()


router = APIRouter(prefix="/reports", tags=["reports"], lifespan=lifespan)


@router.get(
    "/{place:path}",
    summary="The report of a place",
    response_class=Response,
    responses=AWAY
    | {
        200: {"content": {PDF_TYPE: {"schema": {"type": "string", "format": "binary"}}}},
        502: {"description": "The report could not be made."},
        504: {"description": "The report was not ready in time."},
    },
)
async def report(
    request: Request, services: ServicesOf, place: str, days: Annotated[int, Query(ge=1, le=MOST_DAYS)] = 7
) -> Response:
    """The weather of a place over the last days, as a PDF to print."""
    settings = services.settings
    names = [name for name, _, _ in settings.weather_places]
    if place not in names:
        raise HTTPException(404, f"There is no place {place!r}; there are {', '.join(names)}.")
    if settings.rabbitmq_url is None:
        pdf = await _from_celery(services, place, days)
    else:
        pdf = await _over_rabbitmq(request.state.report_caller, settings.rabbitmq_url, place, days)
    name = quote(f"weather-{place}-{datetime.now(UTC):%Y-%m-%d}-{days}d.pdf", safe="")
    return Response(pdf, media_type=PDF_TYPE, headers={"Content-Disposition": f"inline; filename*=UTF-8''{name}"})


async def _over_rabbitmq(caller: Caller, url: str, place: str, days: int) -> bytes:
    try:
        answer = await caller.call(url, {"place": place, "days": days, "request_id": current_request_id()})
    except CallTimedOut:
        raise HTTPException(504, TOO_LATE) from None
    except CallFailed as error:
        raise HTTPException(502, f"The report could not be made: {error}") from None
    except MessageUnroutable:
        raise HTTPException(503, NO_WORKER, {"Retry-After": RETRY_SECONDS}) from None
    except (MessagingError, TimeoutError) as error:
        sentence = str(error) or f"RabbitMQ did not answer within {BROKER_SECONDS:g} s; try again later."
        raise HTTPException(503, sentence, {"Retry-After": RETRY_SECONDS}) from None
    if isinstance(answer, bytes):
        return answer
    raise HTTPException(404, answer[NO_ROWS])


async def _from_celery(services: Services, place: str, days: int) -> bytes:
    if services.liveness.has_trouble("workers"):
        raise HTTPException(503, services.liveness.trouble, {"Retry-After": RETRY_SECONDS})
    # Nobody waits for it any longer than that.
    order = make.s(place, days).set(expires=LIMIT_SECONDS, headers={REQUEST_ID: current_request_id()})
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            answer = await _result(services.store, order)
    except TimeoutError:
        raise HTTPException(504, TOO_LATE) from None
    if isinstance(answer, Exception):
        raise HTTPException(502, f"The report could not be made: {answer}")
    if NO_ROWS in answer:
        raise HTTPException(404, answer[NO_ROWS])
    return base64.b64decode(answer[PDF])


async def _result(store: Store, task: Signature[Any]) -> Any:
    """Send a task; what it returned or raised."""
    task_id = str(task.freeze().id)
    await store.ask(lambda records: records.remember([task_id]))
    await store.send(task)
    while True:
        metas = await store.ask(lambda records: records.metas([task_id]))
        if (meta := metas.get(task_id, {})).get("status") in READY_STATES:
            return meta["result"]
        await asyncio.sleep(POLL_SECONDS)
