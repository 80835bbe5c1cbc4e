"""`python -m app.health`: what works, what does not and what to do about it, within a limit whatever is broken."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from app.health import PERIOD
from app.weather.latest import Latest, latest_row
from app.weather.observation import format_time
from tests.services.celery import Beat
from tests.services.valkey import Valkey
from tests.services.weather_rows import row
from tests.waiting import wait_until

PROJECT = Path(__file__).parents[2]
LIMIT = 20
START_SECONDS = 20.0
"""What a Python that imports the application may take on a busy machine."""


def health(settings: Mapping[str, str], *arguments: str, code: str = "") -> "subprocess.CompletedProcess[str]":
    """Run the program, or `code` in its place."""
    command = ["-c", code] if code else ["-m", "app.health"]
    return subprocess.run(
        [sys.executable, *command, *arguments],
        cwd=PROJECT,
        env=os.environ | dict(settings),
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )


def checks(settings: Mapping[str, str], *arguments: str) -> dict[str, dict[str, Any]]:
    """What the program says of each check, which its exit code must agree with."""
    done = health(settings, "--json", *arguments)
    document = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (0 if document["ok"] else 1, "")
    return {check["name"]: check for check in document["checks"]}


def write_row(file: Path, age: timedelta) -> None:
    """Make a weather file with one row that was fetched so long ago."""
    file.parent.mkdir(parents=True, exist_ok=True)
    observed = row("Moscow", datetime(2026, 11, 22, 3, 15, tzinfo=UTC))
    file.write_text(json.dumps(observed | {"fetched_at": format_time(datetime.now(UTC) - age)}) + "\n")


@pytest.fixture(scope="module")
def settings(
    celery_setup_config: dict[str, str], celery_worker_cluster: object, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """A deployment in which all is well, with beat and a fresh observation."""
    folder = tmp_path_factory.mktemp("health")
    settings = celery_setup_config | {"WEATHER_FILE": str(folder / "observations.jsonl")}
    write_row(folder / "observations.jsonl", timedelta(minutes=1))
    with Beat(folder / "beat", settings):
        yield settings


def worker_name(app: Celery) -> str:
    return str(next(name for reply in app.control.ping(timeout=LIMIT, limit=2) for name in reply if "beat" not in name))


@pytest.mark.timeout(90)
def test_all_is_well(settings: dict[str, str], celery_setup_app: Celery) -> None:
    """Broker, results, a task that comes back, beat, the last observation and a node that was named."""
    found = checks(settings, "--limit", str(LIMIT), "--node", worker_name(celery_setup_app))
    assert {name: check["ok"] for name, check in found.items()} == dict.fromkeys(
        ("broker", "results", "canary", "beat", "observation", "node"), True
    )


@pytest.mark.timeout(90)
def test_a_worker_that_answers_but_works_no_more_is_seen(settings: dict[str, str], celery_setup_app: Celery) -> None:
    """A ping goes to its main process; only a task shows that tasks are taken."""
    control, node = celery_setup_app.control, worker_name(celery_setup_app)
    control.cancel_consumer("celery", destination=[node], reply=True, timeout=LIMIT, limit=1)
    try:
        found = checks(settings, "--only", "canary", "--only", "node", "--node", node, "--limit", "3")
    finally:
        control.add_consumer("celery", destination=[node], reply=True, timeout=LIMIT, limit=1)
    assert (found["node"]["ok"], found["canary"]["ok"]) == (True, False)
    assert "start a worker, or restart the one that has stopped working" in found["canary"]["sentence"]


def test_what_does_not_run_is_named_with_what_to_do(tmp_path: Path) -> None:
    """On a machine where nothing was started, each line that is bad says how to mend it."""
    done = health({"DATA_DIR": str(tmp_path / "data")}, "--limit", "2")
    assert done.returncode == 1
    lines = {line.split()[1]: line for line in done.stdout.splitlines()}
    assert [name for name, line in lines.items() if line.startswith("ok ")] == ["broker", "results"]
    assert "start `celery -A app beat`" in lines["beat"]
    assert f"There is no observation in {tmp_path / 'data'}" in lines["observation"]


@pytest.mark.parametrize("scheme", ["amqp", "redis"])
def test_servers_that_refuse_are_told_at_once(tmp_path: Path, scheme: str) -> None:
    """Whoever is not there needs no waiting for."""
    settings = {
        "DATA_DIR": str(tmp_path),
        "CELERY_BROKER_URL": f"{scheme}://me:secret@127.0.0.1:1/",
        "CELERY_RESULT_BACKEND": "redis://:secret@127.0.0.1:1/0",
    }
    found = checks(settings, "--limit", "10")
    assert not any(check["ok"] for check in found.values())
    assert "The broker at" in found["broker"]["sentence"]
    assert "cannot be reached" in found["broker"]["sentence"]
    assert "The result store at" in found["results"]["sentence"]
    assert "secret" not in str(found)
    assert max(check["seconds"] for check in found.values()) < 8


@pytest.mark.parametrize("scheme", ["amqp", "redis"])
def test_servers_that_accept_and_say_nothing_do_not_hang_it(tmp_path: Path, scheme: str) -> None:
    """As a frozen one does: the program ends within its limit."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"127.0.0.1:{silent.getsockname()[1]}"
        settings = {
            "DATA_DIR": str(tmp_path),
            "CELERY_BROKER_URL": f"{scheme}://{url}/",
            "CELERY_RESULT_BACKEND": f"redis://{url}/0",
        }
        started = time.monotonic()
        found = checks(settings, "--limit", "2")
        assert time.monotonic() - started < 2 + START_SECONDS
    assert not any(check["ok"] for check in found.values())
    assert all(check["seconds"] <= 2 for check in found.values())


def test_a_frozen_result_store_does_not_hang_it(tmp_path: Path) -> None:
    """Valkey is stopped by a signal: connections are open, and nothing comes."""
    with Valkey(tmp_path / "valkey") as server:
        settings = {"DATA_DIR": str(tmp_path), "CELERY_BROKER_URL": server.url}
        server.send_signal(signal.SIGSTOP)
        try:
            found = checks(settings, "--limit", "2")
        finally:
            server.send_signal(signal.SIGCONT)
    assert not any(check["ok"] for check in found.values())


def test_a_resolver_that_does_not_answer_does_not_hang_it(tmp_path: Path) -> None:
    """No time-out of a client bounds it, so the check is left behind."""
    code = "import socket, threading; socket.getaddrinfo = lambda *_, **__: threading.Event().wait(); "
    code += "from app.health import main; raise SystemExit(main())"
    settings = {
        "DATA_DIR": str(tmp_path),
        "CELERY_BROKER_URL": "amqp://rabbit.example.org//",
        "CELERY_RESULT_BACKEND": "redis://valkey.example.org/0",
    }
    started = time.monotonic()
    done = health(settings, "--limit", "1", code=code)
    assert time.monotonic() - started < 1 + START_SECONDS
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.count("No answer within 1 s: ") == 4
    assert "or correct CELERY_BROKER_URL and what resolves its name" in done.stdout


def test_a_beat_that_hangs_is_seen(tmp_path: Path, valkey: Valkey) -> None:
    """Stopped by a signal it is still a process, and does not answer."""
    settings = {"DATA_DIR": str(tmp_path), "CELERY_BROKER_URL": valkey.url}
    with Beat(tmp_path / "beat", settings) as beat:
        assert checks(settings, "--only", "beat")["beat"]["ok"]
        beat.send_signal(signal.SIGSTOP)
        try:
            assert not checks(settings, "--only", "beat", "--limit", "2")["beat"]["ok"]
        finally:
            beat.send_signal(signal.SIGCONT)
        wait_until(beat.answers, LIMIT, "beat goes on")


@pytest.mark.parametrize(
    ("minutes", "provider", "overdue"),
    [
        (1, "open-meteo", False),
        (39, "open-meteo", False),
        (41, "open-meteo", True),
        (41, "met-norway", False),
        (121, "met-norway", True),
    ],
)
def test_an_observation_is_missed_after_two_periods(minutes: int, provider: str, overdue: bool) -> None:
    """Of 20 minutes, or of the service's own hour."""
    now = datetime.now(UTC)
    assert Latest("Moscow", now - timedelta(minutes=minutes), provider).is_overdue(now, PERIOD) == overdue


def test_the_last_row_is_that_fetched_last(tmp_path: Path) -> None:
    """A torn line behind it and older rows in the same block change nothing; an old one is told with its age."""
    file = tmp_path / "observations.jsonl"
    assert latest_row(file) is None
    write_row(file, timedelta(minutes=50))
    file.write_text(file.read_text() + file.read_text()[:50])
    row = latest_row(file)
    assert row is not None
    assert row.place == "Moscow"
    found = checks({"DATA_DIR": str(tmp_path), "WEATHER_FILE": str(file)}, "--only", "observation")
    assert "written 50 minutes ago, that of Moscow" in found["observation"]["sentence"]


@pytest.mark.parametrize(
    "arguments", [["--limit", "0"], ["--limit", "nan"], ["--limit", "x"], ["--only", "nothing"], ["--only", "node"]]
)
def test_wrong_use_is_told(tmp_path: Path, arguments: list[str]) -> None:
    """With the usage and exit code 2."""
    done = health({"DATA_DIR": str(tmp_path)}, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "usage: python -m app.health" in done.stderr
