"""`python -m app.demo_canvas` as a person and as a program use it, on every way to run the project."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest
from pytest_celery import CeleryTestSetup

from tests.services.process import LocalProcess
from tests.services.weather_server import WeatherServer, weather_server
from tests.waiting import wait_until

PROJECT = Path(__file__).parents[2]
FIRST_SEVEN = ["delay", "call", "group", "chain", "chord", "link_error", "link"]
EXTRA = ["chord_error", "nested", "starmap", "chunks", "retry", "progress", "once", "weather"]
NEEDS_REDIS = dict.fromkeys(("chord", "chord_error", "nested", "weather"), "cannot join a chord") | {
    "once": "effects are marked as taken in Redis"
}
STEP_FIELDS = {"task", "id", "args", "state", "result"}
LIMIT = 45


def demo(settings: Mapping[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "app.demo_canvas", *arguments],
        cwd=PROJECT,
        env=os.environ | settings,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )


@pytest.fixture(scope="module")
def weather() -> Iterator[WeatherServer]:
    with weather_server() as server:
        yield server


@pytest.fixture
def embedded(tmp_path: Path, weather: WeatherServer) -> dict[str, str]:
    """The settings of a laptop, with weather services of our own."""
    return {"DATA_DIR": str(tmp_path), "OPEN_METEO_URL": weather.url, "MET_NORWAY_URL": weather.url}


@pytest.fixture
def settings(deployment: str, embedded: dict[str, str], request: pytest.FixtureRequest) -> dict[str, str]:
    """The settings of each way to run the project, with a broker that no worker serves."""
    if deployment == "embedded":
        return embedded
    broker = {"CELERY_BROKER_URL": request.getfixturevalue("vhost").url}
    results = {"CELERY_RESULT_BACKEND": request.getfixturevalue("valkey").url} if deployment == "rabbitmq-redis" else {}
    return embedded | broker | results


def check_document(document: dict[str, Any], names: list[str], *, chords: bool) -> None:
    """Check the contract of `--json`."""
    assert document["ok"] is True
    assert "://" in document["broker"]
    assert [workflow["name"] for workflow in document["workflows"]] == names
    for workflow in document["workflows"]:
        skipped = workflow["name"] in NEEDS_REDIS and not chords
        assert workflow["ok"] is True
        if skipped:
            assert NEEDS_REDIS[workflow["name"]] in workflow["skipped"]
        else:
            assert workflow["skipped"] is None
        assert all(step.keys() >= STEP_FIELDS for step in workflow["steps"])
        if not skipped and not isinstance(workflow["expected"], dict):
            assert workflow["result"] == workflow["expected"]


@pytest.mark.timeout(90)
def test_with_a_worker_of_its_own_every_workflow_is_right(deployment: str, settings: dict[str, str]) -> None:
    """One JSON document and nothing else; results over rpc:// skip what needs a chord, with the reason."""
    done = demo(settings, "--json")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    check_document(json.loads(done.stdout), FIRST_SEVEN + EXTRA, chords=deployment != "rabbitmq-rpc")


@pytest.mark.timeout(90)
def test_a_worker_that_serves_already_is_used(
    deployment: str, celery_setup: CeleryTestSetup, celery_setup_config: dict[str, str]
) -> None:
    """No second worker is started, and the one that is there goes on."""
    done = demo(celery_setup_config, "--json", *(f"--only={name}" for name in FIRST_SEVEN))
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    document = json.loads(done.stdout)
    check_document(document, FIRST_SEVEN, chords=deployment != "rabbitmq-rpc")
    (delay,) = document["workflows"][0]["steps"]
    assert delay["worker"] == celery_setup.worker.hostname()
    assert celery_setup.worker.container.ready()


def test_each_step_is_in_the_document(embedded: dict[str, str]) -> None:
    """What ran, with which arguments, where it got to and what it gave."""
    (chord,) = json.loads(demo(embedded, "--json", "--only", "chord").stdout)["workflows"]
    steps = [(step["task"], step["args"], step["state"], step["result"]) for step in chord["steps"]]
    assert steps[:-1] == [("tasks.arithmetic.add", [i, i], "SUCCESS", i + i) for i in range(10)]
    assert steps[-1] == ("tasks.arithmetic.xsum", [[i + i for i in range(10)]], "SUCCESS", 90)
    assert len({step["id"] for step in chord["steps"]}) == 11


def test_a_failed_header_is_told_by_the_errback_and_the_body_does_not_run(embedded: dict[str, str]) -> None:
    """The body is failed without ever having started; the errback names the reason."""
    (chord_error,) = json.loads(demo(embedded, "--json", "--only", "chord_error").stdout)["workflows"]
    by_task = {step["task"].rpartition(".")[2]: step for step in chord_error["steps"]}
    assert (by_task["xsum"]["state"], by_task["xsum"]["seconds"]) == ("FAILURE", None)
    assert "RuntimeError('failed')" in by_task["on_task_error"]["result"]


def test_in_a_pipe_it_prints_plain_lines(embedded: dict[str, str]) -> None:
    """No escape codes, every step a line, and the code beside it."""
    done = demo(embedded, "--only", "chain", "--only", "link_error")
    assert done.returncode == 0
    assert "\x1b" not in done.stdout
    assert "chain(add.s(4, 4), mul.s(8))" in done.stdout
    assert re.search(r"✔ mul\(8, 8\) → 64 ", done.stdout)
    assert "2 workflows, none wrong" in done.stdout


def test_where_no_weather_service_answers_the_workflow_is_skipped(embedded: dict[str, str]) -> None:
    """A laptop without a connection is no error of the workflow: the reason is shown."""
    nowhere = "http://127.0.0.1:9"
    done = demo(embedded | {"OPEN_METEO_URL": nowhere, "MET_NORWAY_URL": nowhere}, "--json", "--only", "weather")
    (workflow,) = json.loads(done.stdout)["workflows"]
    assert done.returncode == 0
    assert "could not be reached" in workflow["skipped"]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"CELERY_BROKER_URL": "amqp://guest:secret@127.0.0.1:1//"}, "The broker at amqp://guest:**@127.0.0.1:1//"),
        ({"CELERY_BROKER_URL": "redis://:secret@127.0.0.1:1/0"}, "The broker at redis://:**@127.0.0.1:1/0"),
        ({"CELERY_RESULT_BACKEND": "redis://:secret@127.0.0.1:1/0"}, "The result store at redis://:**@127.0.0.1:1/0"),
        ({"CELERY_BROKER_URL": "memory://"}, "CELERY_BROKER_URL='memory://' cannot be used"),
        ({"DATA_DIR": "/dev/null/no-folder"}, "/dev/null/no-folder"),
    ],
    ids=["no-rabbitmq", "no-redis", "no-results", "wrong-url", "no-folder"],
)
def test_what_is_broken_is_said_in_one_sentence(
    embedded: dict[str, str], settings: dict[str, str], sentence: str
) -> None:
    """On standard error, with exit code 1, without a traceback and without a password."""
    done = demo(embedded | settings, "--only", "delay")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert sentence in done.stderr
    assert "secret" not in done.stderr


@pytest.mark.parametrize(
    "arguments", [["--only", "nothing"], ["--graph", "svg"], ["--graph", "dot", "--json"], ["--limit", "-1"], ["what"]]
)
def test_wrong_use_ends_with_exit_code_2(arguments: list[str]) -> None:
    """The answer says what is allowed."""
    done = demo({}, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "usage:" in done.stderr


def test_the_list_and_the_graphs_need_no_broker() -> None:
    """What a workflow is can be read anywhere."""
    listed = demo({}, "--list")
    assert [line.split()[0] for line in listed.stdout.splitlines()] == FIRST_SEVEN + EXTRA
    assert demo({}, "--graph", "mermaid", "--only", "chain").stdout.startswith("flowchart LR\n")
    assert demo({}, "--graph", "dot", "--only", "chain").stdout.startswith('digraph "chain" {\n')


def test_a_reader_that_goes_away_ends_it_quietly() -> None:
    """`| head -1` is no error."""
    done = subprocess.run(
        ["/bin/sh", "-c", f"{sys.executable} -m app.demo_canvas --graph dot | head -1"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    assert (done.stdout, done.stderr) == ('digraph "delay" {\n', "")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_interrupted_it_leaves_no_process_behind(embedded: dict[str, str], tmp_path: Path, how: signal.Signals) -> None:
    """Its worker and the embedded broker end with it, and there is no traceback."""
    log = Path(embedded["DATA_DIR"]) / "demo-worker.log"
    running = LocalProcess(
        [sys.executable, "-m", "app.demo_canvas", "--only", "progress"],
        tmp_path / "demo",
        environment=os.environ | embedded,
        working_directory=PROJECT,
        name="demo",
    )
    with running:
        wait_until(lambda: log.exists() and "count" in log.read_text(), 20, "the demo's own worker runs the task")
        children = psutil.Process(running.pid).children(recursive=True)
        running.send_signal(how)
        wait_until(lambda: not running.is_running, 15, "the demo has ended")
        assert running.exit_code == 130
        wait_until(lambda: not any(child.is_running() for child in children), 15, "its processes have ended")
    assert "Traceback" not in running.log()
