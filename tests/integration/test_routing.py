"""Tasks that go to a queue by their name, and workers that serve some queues only."""

import json
from pathlib import Path

import pytest

from app.queues import route_by_name
from tests.services.celery import CeleryProgram, Worker
from tests.waiting import wait_until


@pytest.mark.parametrize(("name", "queue"), [("polarity:echo", "polarity"), ("tasks.arithmetic.add", "celery")])
def test_a_name_with_a_colon_begins_with_its_queue(name: str, queue: str) -> None:
    """Any other task goes to the default queue."""
    assert route_by_name(name, (), {}, {}) == {"queue": queue}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("deployment", ["embedded", "rabbitmq-redis"], indirect=True)
def test_a_worker_for_a_queue_serves_only_that_queue(
    deployment: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """`worker -Q polarity` takes `polarity:echo` and leaves `add` to the worker of the default queue."""
    settings = {"DATA_DIR": str(tmp_path / "data")}
    if deployment != "embedded":
        settings["CELERY_BROKER_URL"] = request.getfixturevalue("vhost").url
        settings["CELERY_RESULT_BACKEND"] = request.getfixturevalue("valkey").url
    plain = Worker(tmp_path / "plain", settings, pool="threads")
    special = Worker(tmp_path / "special", settings, pool="threads", arguments=("-Q", "polarity"))
    special.command[special.command.index("-A") + 1] = "tests.integration.routed_tasks"
    with plain, special:
        for number in range(3):
            call(tmp_path, settings, "polarity:echo", [f"text {number}"])
            call(tmp_path, settings, "tasks.arithmetic.add", [number, number])
        wait_until(lambda: special.log().count("succeeded in") == 3, 30, "the polarity worker has done its tasks")
        wait_until(lambda: plain.log().count("succeeded in") == 3, 30, "the plain worker has done its tasks")
    assert "arithmetic.add[" not in special.log()
    assert "polarity:echo[" not in plain.log()


def call(tmp_path: Path, settings: dict[str, str], name: str, arguments: list[object]) -> None:
    caller = CeleryProgram("call", [name, "--args", json.dumps(arguments)], tmp_path / "call", settings)
    with caller:
        wait_until(lambda: not caller.is_running, 20, "the task is sent")
