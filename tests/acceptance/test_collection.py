"""The weather collection as it runs for a year, in fast motion."""

import json
from collections import Counter
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from app.weather.observation import format_time
from app.weather.parsing.timing import AHEAD
from app.weather.schedule import quarter
from tests.services.celery import Beat, CeleryProgram, Worker
from tests.services.weather_server import weather_server
from tests.waiting import wait_until

PLACE_COUNT = 100
PLACES = ";".join(f"Place {number}={number / 2},{number}" for number in range(PLACE_COUNT))


def of_application(module: str, program: CeleryProgram) -> CeleryProgram:
    """`program`, but with the application of a module of these tests."""
    program.command[program.command.index("-A") + 1] = module
    return program


def rows(file: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def places_at(file: Path, moment: datetime) -> int:
    """How many rows of that time of observation are in the file."""
    return file.read_text().count(f'"observed_at": "{format_time(moment)}"') if file.exists() else 0


@pytest.mark.timeout(150)
@pytest.mark.parametrize("deployment", ["embedded", "rabbitmq-redis"], indirect=True)
def test_two_beats_and_three_workers_one_killed_while_writing_keep_every_observation_once(
    deployment: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Either beat sends; a worker dies and leaves half a line; the file has each observation once, and whole."""
    # The workers go by the real clock: the oldest quarter must stay current, and the newest may be a little ahead.
    last = quarter(datetime.now(UTC) + AHEAD)
    moments = first, *_ = [last - timedelta(minutes=minutes) for minutes in (30, 15, 0)]
    file = tmp_path / "data" / "weather" / "observations.jsonl"
    with ExitStack() as stack:
        weather = stack.enter_context(weather_server())
        settings = {"DATA_DIR": str(tmp_path / "data"), "WEATHER_PLACES": PLACES}
        settings |= {"OPEN_METEO_URL": weather.url, "MET_NORWAY_URL": weather.url}
        if deployment != "embedded":
            settings["CELERY_BROKER_URL"] = request.getfixturevalue("vhost").url
            settings["CELERY_RESULT_BACKEND"] = request.getfixturevalue("valkey").url

        doomed = of_application(
            "tests.acceptance.dies_while_writing", Worker(tmp_path / "doomed", settings, pool="solo")
        )
        weather.clock = lambda: first
        stack.enter_context(doomed)
        for name in ("beat-1", "beat-2"):
            stack.enter_context(of_application("tests.acceptance.short_periods", Beat(tmp_path / name, settings)))
        wait_until(lambda: not doomed.is_running, 40, "the doomed worker has died while writing")
        assert 0 < places_at(file, first) < PLACE_COUNT
        for name in ("worker-1", "worker-2"):
            stack.enter_context(Worker(tmp_path / name, settings))
        for moment in moments:
            weather.clock = partial(datetime.fromisoformat, moment.isoformat())
            wait_until(lambda now=moment: places_at(file, now) == PLACE_COUNT, 40, f"all places have {moment}")

    kept = rows(file)
    assert max(Counter((row["provider"], row["place"], row["observed_at"]) for row in kept).values()) == 1
    assert Counter(row["observed_at"] for row in kept) == {format_time(moment): PLACE_COUNT for moment in moments}
    assert file.with_name(f"{file.name}.torn").read_text().startswith('{"schema": 1, ')
