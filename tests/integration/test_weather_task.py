"""The collection as a task: what a worker does when a service fails, and what it leaves in the file."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.celery import CeleryProgram, Worker
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
