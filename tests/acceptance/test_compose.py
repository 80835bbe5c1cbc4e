"""docker-compose.yml as it is: the image is built, every service started, used, scaled, stopped and started again.

Needs a Docker daemon and takes minutes, so it runs only when it is asked for: `make compose`.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest
import requests

from tests.waiting import wait_until

PROJECT = Path(__file__).parents[2]
WORKERS = 3
SERVICES = {"rabbitmq": 1, "valkey": 1, "worker": WORKERS, "beat": 1, "flower": 1, "web": 1}
SECRETS = {
    "RABBITMQ_PASSWORD": "rabbit0secret",
    "VALKEY_PASSWORD": "valkey0secret",
    "FLOWER_BASIC_AUTH": "me:flower0secret",
    "WEB_TOKEN": "0123456789abcdef",
}
SEND_AND_WAIT = "from tasks.arithmetic import add; print(add.delay(2, 3).get(timeout=20))"
SEND_LONG = "from tasks.long_running import count; print(count.delay(20, 20.0).id)"
STATE = "import sys; from app.celery import app; print(app.AsyncResult(sys.argv[1]).state)"
RESULT = "import sys; from app.celery import app; print(app.AsyncResult(sys.argv[1]).get(timeout=60))"

pytestmark = [pytest.mark.docker, pytest.mark.timeout(1200)]


def compose(*arguments: str, secrets: dict[str, str] = SECRETS) -> "subprocess.CompletedProcess[str]":
    """Run Compose, v2 or 1.29; what stands in the environment goes before what stands in .env."""
    program = ["docker-compose"] if shutil.which("docker-compose") else ["docker", "compose"]
    command = [*program, "--project-name", "weatherbeat-test", *arguments]
    return subprocess.run(
        command, cwd=PROJECT, env={**os.environ, **secrets}, check=False, capture_output=True, text=True
    )


def succeed(*arguments: str) -> str:
    run = compose(*arguments)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout.strip()


def in_worker(program: str, *arguments: str) -> str:
    """Run a Python program in the first worker's container."""
    return succeed("exec", "-T", "worker", "python", "-c", program, *arguments)


def inspect(containers: Sequence[str]) -> list[dict[str, object]]:
    output = subprocess.run(["docker", "inspect", *containers], check=True, capture_output=True, text=True).stdout
    return list(json.loads(output))


def is_healthy(service: str) -> bool:
    """Whether each of the containers that a service must have is healthy."""
    states = [container["State"] for container in inspect(succeed("ps", "-q", service).split())]
    return [state["Health"]["Status"] for state in states] == ["healthy"] * SERVICES[service]  # type: ignore[index]


@pytest.fixture(scope="module")
def stack() -> Iterator[None]:
    """Everything up and healthy, with three workers; afterwards removed with its volumes."""
    succeed("build")
    try:
        succeed("up", "-d", "--scale", f"worker={WORKERS}")
        for service in SERVICES:
            wait_until(partial(is_healthy, service), 180, f"{service} is healthy")
        yield
    finally:
        compose("down", "--volumes", "--rmi", "local")


@pytest.mark.parametrize("missing", SECRETS)
def test_a_missing_password_is_named(missing: str) -> None:
    """Without a password, nothing starts, and the message names what to set."""
    run = compose("config", secrets=SECRETS | {missing: ""})
    assert run.returncode != 0
    assert f"set {missing} in .env" in run.stderr


@pytest.mark.usefixtures("stack")
def test_a_task_comes_back() -> None:
    """What one container sends, a worker does, and the result is there to be read."""
    assert in_worker(SEND_AND_WAIT) == "5"


@pytest.mark.usefixtures("stack")
def test_every_worker_and_beat_answer() -> None:
    """Each of the three workers has a name of its own, and beat can be pinged like them."""
    nodes = json.loads(
        succeed("exec", "-T", "worker", "celery", "-A", "app", "inspect", "ping", "--json", "--timeout", "5")
    )
    assert sorted(name.partition("@")[0] for name in nodes) == [*["celery"] * WORKERS, "celerybeat"]


@pytest.mark.usefixtures("stack")
def test_flower_asks_for_its_password() -> None:
    """Flower is published on this machine, and shows nothing without the password from .env."""
    url = "http://127.0.0.1:5555/"
    assert requests.get(url, timeout=10).status_code == 401
    assert requests.get(url, auth=("me", "flower0secret"), timeout=10).status_code == 200


@pytest.mark.usefixtures("stack")
def test_the_web_front_asks_for_its_token() -> None:
    """It is published on this machine, and starts a workflow for whoever has the token from .env."""
    url = "http://127.0.0.1:8000/api/workflows/chord/runs"
    assert requests.post(url, json={}, timeout=10).status_code == 401
    token = {"Authorization": f"Bearer {SECRETS['WEB_TOKEN']}"}
    run = requests.post(url, json={}, headers=token, timeout=10).json()["url"]
    asked = partial(requests.get, f"http://127.0.0.1:8000{run}", headers=token, timeout=10)
    wait_until(lambda: asked().json()["state"] == "succeeded", 30, "the chord has succeeded")


@pytest.mark.usefixtures("stack")
def test_ports_are_published_on_this_machine_only() -> None:
    """Docker publishes Flower, the web front and RabbitMQ's management on 127.0.0.1, and nothing else anywhere."""
    published = {
        (binding["HostIp"], binding["HostPort"])
        for container in inspect(succeed("ps", "-q").split())
        for bindings in container["NetworkSettings"]["Ports"].values()  # type: ignore[index]
        for binding in bindings or []
    }
    assert published == {("127.0.0.1", "5555"), ("127.0.0.1", "8000"), ("127.0.0.1", "15672")}


@pytest.mark.usefixtures("stack")
def test_the_programs_have_no_rights() -> None:
    """The workers run as a user of their own, who owns the data folder and nothing of the program."""
    assert in_worker("import os; print(os.getuid(), os.stat('/data').st_uid, os.access('.', os.W_OK))") == (
        "10001 10001 False"
    )


@pytest.mark.usefixtures("stack")
def test_a_stopped_worker_hands_its_task_back() -> None:
    """Workers that are stopped in the middle of a task leave orderly, and the next ones finish it."""
    task = in_worker(SEND_LONG)
    wait_until(lambda: in_worker(STATE, task) == "PROGRESS", 20, "the long task runs")
    succeed("stop", "worker")
    stopped = inspect(succeed("ps", "-a", "-q", "worker").split())
    assert [container["State"]["ExitCode"] for container in stopped] == [0] * WORKERS  # type: ignore[index]
    succeed("start", "worker")
    assert in_worker(RESULT, task) == "20"


@pytest.mark.usefixtures("stack")
def test_nothing_is_lost_when_all_is_taken_down() -> None:
    """Messages and results are on volumes: after `down` and `up` they are there."""
    succeed("stop", "worker")
    task = succeed(
        "run", "--rm", "-T", "worker", "python", "-c", "from tasks.arithmetic import add; print(add.delay(20, 22).id)"
    )
    succeed("down")
    succeed("up", "-d", "--scale", f"worker={WORKERS}")
    assert in_worker(RESULT, task) == "42"
