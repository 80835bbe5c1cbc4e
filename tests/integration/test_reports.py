"""Reports over HTTP, made by a report worker over RabbitMQ."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import aio_pika
import psutil
import pytest
import requests
from fastapi import HTTPException

from app.celery import app as project_app
from app.messaging.errors import BrokerUnreachable, MessageUnroutable
from app.messaging.names import REPORTS
from app.web.liveness import NO_WORKER, Liveness
from app.web.reports import BROKER_SECONDS, Caller, _from_celery
from app.web.services import Services
from tests.services.celery import PROJECT
from tests.services.process import LocalProcess
from tests.services.rabbitmq import RabbitMQ, VirtualHost
from tests.services.weather_rows import write_weather
from tests.services.web import WebFront
from tests.waiting import wait_until

PLACES = ("Moscow", "Αθήνα", "Санкт-Петербург", "A/B")
LIMIT = 30.0

pytestmark = pytest.mark.timeout(120)


class ReportWorker(LocalProcess):
    """The report worker; ready when it says so."""

    ready_line = "Ready to make reports"
    start_timeout = 60.0
    stop_timeout = 30.0

    def __init__(self, directory: Path, settings: dict[str, str], *arguments: str) -> None:
        command = [sys.executable, "-m", "app.report_worker", *arguments]
        environment = {**os.environ, **settings}
        super().__init__(command, directory, environment=environment, working_directory=PROJECT, name="reports")

    def is_ready(self) -> bool:
        return self.ready_line in self.log_of_this_start()


@pytest.fixture(scope="module")
def weather(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The settings of a place to report on."""
    data = tmp_path_factory.mktemp("data")
    write_weather(data / "weather" / "observations.jsonl", PLACES, days=8)
    places = ";".join(f"{place}=55.7,37.6" for place in (*PLACES, "Nowhere"))
    return {"DATA_DIR": str(data), "WEATHER_PLACES": places}


@pytest.fixture(scope="module")
def settings(weather: dict[str, str], rabbitmq: RabbitMQ) -> Iterator[dict[str, str]]:
    with rabbitmq.vhost() as vhost:
        yield weather | {"RABBITMQ_URL": vhost.url}


@pytest.fixture(scope="module")
def worker(settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReportWorker]:
    with ReportWorker(tmp_path_factory.mktemp("reports"), settings, "--processes", "2") as worker:
        yield worker


@pytest.fixture(scope="module")
def web(settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebFront]:
    with WebFront(tmp_path_factory.mktemp("web"), settings) as web:
        yield web


def ask(web: WebFront, place: str, days: int = 7) -> requests.Response:
    return requests.get(f"{web.url}/reports/{requests.utils.quote(place, safe='')}", {"days": days}, timeout=LIMIT)


def ask_until_made(web: WebFront, place: str, days: int = 1) -> requests.Response:
    """Ask again while a machine with other things to do takes longer than the limit."""

    def made() -> requests.Response | None:
        answer = ask(web, place, days)
        return None if answer.status_code == 504 else answer

    answer = wait_until(made, 3 * LIMIT, f"the report of {place} is made")
    assert answer is not None
    assert answer.status_code == 200, answer.text
    return answer


@pytest.mark.parametrize("place", PLACES)
def test_a_report_comes_as_a_pdf(worker: ReportWorker, web: WebFront, place: str) -> None:
    """Whatever the place is called, the answer is a PDF with a file name."""
    answer = ask_until_made(web, place)
    assert answer.headers["Content-Type"] == "application/pdf"
    assert answer.content.startswith(b"%PDF-")
    assert answer.headers["Content-Disposition"].startswith("inline; filename*=UTF-8''weather-")


def test_the_log_says_to_which_request_a_report_belongs(worker: ReportWorker, web: WebFront) -> None:
    """The report worker's, as a Celery worker's does."""
    requests.get(f"{web.url}/reports/Moscow?days=1", headers={"X-Request-ID": "report-7"}, timeout=LIMIT)
    wait_until(lambda: "It belongs to the request report-7." in worker.log(), LIMIT, "the request is named in the log")


async def test_without_a_celery_worker_nobody_waits_for_a_report() -> None:
    """Where none has been heard of for a while, that is the answer, and nothing is sent."""
    liveness = Liveness(project_app)
    liveness.note("workers", NO_WORKER)
    services = cast(Services, SimpleNamespace(liveness=liveness))
    with pytest.raises(HTTPException) as refused:
        await _from_celery(services, "Moscow", 7)
    assert (refused.value.status_code, refused.value.detail) == (503, NO_WORKER)


def test_fifty_at_once_get_their_own_report_or_are_told_in_time(worker: ReportWorker, web: WebFront) -> None:
    """Each answer is the report that was asked for, or says after ten seconds that it was not ready."""
    orders = [(place, days) for days in range(1, 26) for place in ("Moscow", "A/B")]
    with ThreadPoolExecutor(len(orders)) as callers:
        answers = list(callers.map(lambda order: ask(web, *order), orders))
    assert {answer.status_code for answer in answers} <= {200, 504}
    assert sum(answer.status_code == 200 for answer in answers) > 1
    assert max(answer.elapsed.total_seconds() for answer in answers) < 15
    now = datetime.now(UTC)
    for (place, days), answer in zip(orders, answers, strict=True):
        if answer.status_code == 200:
            assert f"/Title (Weather of {place})".encode() in answer.content
            begin = now - timedelta(days=days)
            assert any(f"{day:%Y-%m-%d}" in subject(answer.content) for day in (begin, begin - timedelta(hours=1)))
        else:
            assert "was not ready within 10 s" in answer.json()["detail"]


def subject(pdf: bytes) -> str:
    """The beginning of the period, as the PDF's information has it."""
    return pdf.split(b"/Subject (", 1)[1].split(b" to ", 1)[0].decode()


@pytest.mark.parametrize(
    ("place", "days", "status", "sentence"),
    [
        ("Atlantis", 7, 404, "There is no place 'Atlantis'; there are Moscow,"),
        ("Nowhere", 7, 404, "There are no rows of Nowhere from "),
        ("Moscow", 0, 422, ""),
        ("Moscow", 367, 422, ""),
    ],
    ids=["unknown place", "place without rows", "no day", "too many days"],
)
def test_what_cannot_be_reported_is_told(
    worker: ReportWorker, web: WebFront, place: str, days: int, status: int, sentence: str
) -> None:
    """A place that is not watched, or not yet, and a period that is none."""
    answer = ask(web, place, days)
    assert answer.status_code == status
    assert str(answer.json()["detail"]).startswith(sentence)


async def publish(url: str, body: bytes, **properties: str | None) -> None:
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        message = aio_pika.Message(body, **properties)  # type: ignore[arg-type]
        await channel.default_exchange.publish(message, REPORTS.name)


def test_an_order_that_cannot_be_answered_is_dropped(
    worker: ReportWorker, web: WebFront, settings: dict[str, str]
) -> None:
    """Without reply_to or correlation_id, or with nonsense in it, an order is logged; the next one is served."""
    url, order = settings["RABBITMQ_URL"], json.dumps({"place": "Moscow", "days": 1}).encode()
    asyncio.run(publish(url, order))
    asyncio.run(publish(url, order, reply_to="gone"))
    asyncio.run(publish(url, b"\xff", reply_to="gone", correlation_id="1"))
    asyncio.run(publish(url, b'{"days": true}', reply_to="gone", correlation_id="2"))
    wait_until(lambda: worker.log().count("cannot be answered") == 2, LIMIT, "both orders are logged")
    assert ask_until_made(web, "Moscow")
    assert "Traceback" not in worker.log()


def test_late_answers_are_dropped(web: WebFront, worker: ReportWorker, settings: dict[str, str]) -> None:
    """A worker that is frozen for longer than the limit costs its caller a 504, and the next caller nothing."""
    worker.send_signal(signal.SIGSTOP)
    try:
        answer = ask(web, "Moscow", 2)
    finally:
        worker.send_signal(signal.SIGCONT)
    assert answer.status_code == 504
    assert "was not ready within 10 s" in answer.json()["detail"]
    assert b"/Title (Weather of A/B)" in ask_until_made(web, "A/B", 3).content


def test_a_drawing_process_that_dies_is_replaced(web: WebFront, worker: ReportWorker) -> None:
    """The order that it had is drawn again by another one."""
    killed = wait_until(lambda: drawing(worker), LIMIT, "a process draws")
    for process in killed:
        process.kill()
    assert ask_until_made(web, "Moscow")
    assert not set(killed) & set(drawing(worker))


def drawing(worker: ReportWorker) -> list[psutil.Process]:
    """The processes that draw, but for those that have been ended and not yet waited for."""
    living = []
    for child in psutil.Process(worker.pid).children():
        with suppress(psutil.NoSuchProcess):
            if "spawn_main" in " ".join(child.cmdline()):
                living.append(child)
    return living


async def test_without_a_report_worker_the_order_comes_back(vhost: VirtualHost) -> None:
    """A RabbitMQ on which no report worker was ever started has no queue for it."""
    caller = Caller()
    with pytest.raises(MessageUnroutable, match=REPORTS.name):
        await caller.call(vhost.url, {"place": "Moscow", "days": 1})
    await caller.stop()


async def test_a_rabbitmq_that_is_away_or_silent_is_known_at_once() -> None:
    """Nobody waits ten seconds for what two can tell."""
    with pytest.raises(BrokerUnreachable, match="nothing listens there"):
        await Caller().call("amqp://127.0.0.1:9//", {})
    with socket.create_server(("127.0.0.1", 0)) as silent:
        begun = time.monotonic()
        with pytest.raises(TimeoutError):
            await Caller().call(f"amqp://127.0.0.1:{silent.getsockname()[1]}//", {})
    assert time.monotonic() - begun < BROKER_SECONDS + 2


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_the_report_worker_idles_without_rabbitmq_where_it_is_asked_to(
    weather: dict[str, str], tmp_path: Path, ending: signal.Signals
) -> None:
    """`make up` on the embedded broker has nothing for it to do, and is not ended by it."""
    worker = ReportWorker(tmp_path, weather, "--idle-without-rabbitmq")
    worker.ready_line = "No RabbitMQ is configured"
    with worker:
        worker.send_signal(ending)
        wait_until(lambda: not worker.is_running, LIMIT, "the report worker has ended")
    assert worker.exit_code == 0
    assert len(worker.log().splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [((), 1, "No RabbitMQ is configured"), (("--processes", "0"), 2, "usage:")],
    ids=["no RabbitMQ", "no process"],
)
def test_the_report_worker_says_why_it_does_not_start(
    weather: dict[str, str], arguments: tuple[str, ...], code: int, sentence: str
) -> None:
    """Wrong use and a missing setting end it with an exit code."""
    ended = subprocess.run(
        [sys.executable, "-m", "app.report_worker", *arguments],
        env=os.environ | weather,
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    assert ended.returncode == code
    assert ended.stderr.startswith(sentence)


def test_the_report_worker_waits_for_a_rabbitmq_that_is_away(weather: dict[str, str], tmp_path: Path) -> None:
    """It may be started before its broker, and can be stopped while it waits."""
    worker = ReportWorker(tmp_path, weather | {"RABBITMQ_URL": "amqp://127.0.0.1:9//"})
    worker.ready_line = "Trying again until it is there."
    with worker:
        worker.send_signal(signal.SIGTERM)
        wait_until(lambda: not worker.is_running, LIMIT, "the report worker has ended")
    assert "Traceback" not in worker.log()
