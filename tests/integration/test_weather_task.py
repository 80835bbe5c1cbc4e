"""The collection as a task: what a worker does when a service fails, and what it leaves in the file."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.celery import PROJECT, CeleryProgram, Worker
from tests.services.process import LocalProcess
from tests.services.rabbitmq import VirtualHost
from tests.services.weather_server import MET_NORWAY, OPEN_METEO, WeatherServer, weather_server
from tests.waiting import wait_until


@pytest.fixture
def weather() -> Iterator[WeatherServer]:
    with weather_server() as server:
        yield server


@pytest.fixture
def settings(tmp_path: Path, weather: WeatherServer) -> dict[str, str]:
    return {"DATA_DIR": str(tmp_path / "data"), "OPEN_METEO_URL": weather.url, "MET_NORWAY_URL": weather.url}


@pytest.fixture
def worker(tmp_path: Path, settings: dict[str, str]) -> Iterator[Worker]:
    with Worker(tmp_path / "worker", settings, pool="threads") as worker:
        yield worker


def send_collect(tmp_path: Path, settings: dict[str, str]) -> None:
    """As a person does it: `celery -A app call tasks.weather.collect`."""
    caller = CeleryProgram("call", ["tasks.weather.collect"], tmp_path / "call", settings)
    with caller:
        wait_until(lambda: not caller.is_running, 20, "the task is sent")
    assert caller.exit_code == 0


def rows(settings: dict[str, str]) -> list[dict[str, object]]:
    file = Path(settings["DATA_DIR"]) / "weather" / "observations.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def test_a_run_writes_one_row_a_place(tmp_path: Path, settings: dict[str, str], worker: Worker) -> None:
    """One request brings them all."""
    send_collect(tmp_path, settings)
    wait_until(lambda: len(rows(settings)) == 2, 20, "both places are in the file")
    assert [(row["place"], row["provider"]) for row in rows(settings)] == [
        ("Moscow", "open-meteo"),
        ("Berlin", "open-meteo"),
    ]


def test_when_every_service_fails_the_run_is_tried_again(
    tmp_path: Path, settings: dict[str, str], weather: WeatherServer, worker: Worker
) -> None:
    """After a random delay of ten seconds at most, and with a sentence, not a traceback, in the worker's log."""
    weather.fault("status-503", OPEN_METEO, times=1)
    weather.fault("status-503", MET_NORWAY, times=2)
    send_collect(tmp_path, settings)
    wait_until(lambda: len(rows(settings)) == 2, 40, "both places are in the file after a second attempt")
    assert "Retry in" in worker.log()
    assert "Traceback" not in worker.log()


def test_an_answer_that_makes_no_sense_is_not_asked_for_again(
    tmp_path: Path, settings: dict[str, str], weather: WeatherServer, worker: Worker
) -> None:
    """The task fails with the sentence; nothing is written."""
    weather.fault("number", OPEN_METEO)
    weather.fault("number", MET_NORWAY)
    send_collect(tmp_path, settings)
    wait_until(lambda: "raised expected: ReplyNotUnderstood" in worker.log(), 20, "the task has failed")
    assert rows(settings) == []
    assert len(weather.asked_of(OPEN_METEO)) == 1
    assert "Traceback" not in worker.log()


def test_new_rows_are_announced_on_rabbitmq(tmp_path: Path, settings: dict[str, str], vhost: VirtualHost) -> None:
    """Whoever listens to `weather.open-meteo.*` gets each observation once it is in the file."""
    settings |= {"RABBITMQ_URL": vhost.url}
    role = ["listen", "topic", "weather.open-meteo.*", "--exchange", "weather", "--durable", "--count", "2", "--json"]
    listening = LocalProcess(
        [sys.executable, "-m", "app.messaging", *role],
        tmp_path / "listener",
        environment=os.environ | settings,
        working_directory=PROJECT,
        name="listener",
    )
    with listening, Worker(tmp_path / "worker", settings, pool="threads"):
        wait_until(lambda: '"waiting"' in listening.log(), 20, "somebody listens")
        send_collect(tmp_path, settings)
        wait_until(lambda: not listening.is_running, 20, "both observations have been heard of")
    heard = [json.loads(line) for line in listening.log().splitlines()]
    assert [step["data"] for step in heard if step["action"] == "handled"] == rows(settings)


def test_a_rabbitmq_that_is_away_does_not_harm_the_file(tmp_path: Path, settings: dict[str, str]) -> None:
    """The rows are written; the log says in a sentence that nobody was told."""
    settings |= {"RABBITMQ_URL": "amqp://guest:secret@127.0.0.1:1//"}
    with Worker(tmp_path / "worker", settings, pool="threads") as worker:
        send_collect(tmp_path, settings)
        wait_until(lambda: "The new rows are not announced" in worker.log(), 20, "the worker has said so")
    assert len(rows(settings)) == 2
    assert "Traceback" not in worker.log()
    assert "secret" not in worker.log()
