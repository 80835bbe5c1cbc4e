"""The web front while the broker, the result store or the worker is away: told in a sentence, soon, and mended."""

import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.services import embedded
from tests.services.celery import Worker
from tests.services.event_stream import read_events
from tests.services.rabbitmq import RabbitMQ
from tests.services.valkey import Valkey
from tests.services.web import WebFront
from tests.waiting import wait_until

LIMIT = 2.0
SLACK = 1.0
"""Seconds more for a machine that has much to do."""
UNKNOWN = "11111111-2222-3333-4444-555555555555"

pytestmark = pytest.mark.timeout(120)


@dataclass(frozen=True)
class World:
    """A web front with a worker, and what they need, to be broken."""

    front: WebFront
    worker: Worker
    broker: RabbitMQ
    results: Valkey


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """RabbitMQ and Valkey of their own; each test mends what it breaks."""
    folder = tmp_path_factory.mktemp("world")
    broker, results = RabbitMQ(folder / "rabbitmq"), Valkey(folder / "valkey", append_only=True)
    data = {"DATA_DIR": str(folder / "data")}
    settings = data | {"CELERY_BROKER_URL": broker.url, "CELERY_RESULT_BACKEND": results.url}
    front = WebFront(folder / "front", settings)
    worker = Worker(folder / "worker", settings, pool="threads", concurrency=4)
    services = (broker, results, front, worker)
    try:
        for service in services:
            service.start()
        yield World(front, worker, broker, results)
    finally:
        for service in reversed(services):
            service.kill()  # an orderly stop takes seconds


def start(front: WebFront, name: str, **parameters: float) -> requests.Response:
    return requests.post(f"{front.url}/api/workflows/{name}/runs", json={"parameters": parameters}, timeout=10)


def check_refusal(ask: Callable[[], requests.Response]) -> None:
    """Check that the answer is 503 with a sentence, and comes in time."""
    began = time.monotonic()
    answer = ask()
    assert time.monotonic() - began < LIMIT + SLACK
    assert (answer.status_code, answer.headers["Content-Type"]) == (503, "application/problem+json")
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.json()["detail"].endswith(".")
    assert "Traceback" not in answer.text


def check_recovery(front: WebFront) -> None:
    """Check that workflows run again, without anybody's help."""
    wait_until(lambda: start(front, "chord").status_code == 202, 20, "workflows can be started again")
    url = front.url + start(front, "chord").json()["url"]
    wait_until(lambda: requests.get(url, timeout=5).json()["state"] == "succeeded", 20, "a chord runs again")


def check_stream(url: str, breaks: Callable[[], Any], mend: Callable[[], Any]) -> None:
    """Check that who watches a run is told of the trouble, then that it is over, and sees the run's end."""
    told: list[str] = []
    for event in read_events(f"{url}/events", limit=30):
        if event.name == "run":
            breaks()
        elif event.name == "trouble":
            told.append(event.data["sentence"])
            if len(told) == 1:
                mend()
        elif event.name == "end":
            assert event.data["state"] == "succeeded"
    assert told[0].endswith(".")
    assert told[-1] == ""


def test_a_frozen_broker_counts_as_away(world: World) -> None:
    """It still takes connections, and answers nothing: no request waits for it, and what was sent is not sent twice."""
    check_recovery(world.front)
    world.broker.send_signal(signal.SIGSTOP)
    try:
        for name, parameters in (("delay", {}), ("chord", {"size": 300}), ("nested", {})):
            check_refusal(lambda name=name, parameters=parameters: start(world.front, name, **parameters))
        check_refusal(lambda: requests.get(f"{world.front.url}/healthz", timeout=5))
    finally:
        world.broker.send_signal(signal.SIGCONT)
    check_recovery(world.front)


def test_who_watches_is_told_of_a_frozen_broker(world: World) -> None:
    """A run that goes on in the worker meanwhile is seen to its end."""
    url = world.front.url + start(world.front, "progress", steps=12, seconds=6.0).json()["url"]
    check_stream(
        url,
        lambda: world.broker.send_signal(signal.SIGSTOP),
        lambda: world.broker.send_signal(signal.SIGCONT),
    )


def test_a_result_store_that_is_away_is_told(world: World) -> None:
    """Frozen or killed: requests that need it are refused in time, streams say so, and all of it comes back."""
    url = world.front.url + start(world.front, "progress", steps=12, seconds=6.0).json()["url"]
    asked = []

    def ask() -> None:
        check_refusal(lambda: requests.get(f"{world.front.url}/api/tasks/{UNKNOWN}", timeout=5))
        check_refusal(lambda: start(world.front, "chain"))
        asked.append(True)

    def freeze() -> None:
        world.results.send_signal(signal.SIGSTOP)
        ask()

    check_stream(url, freeze, lambda: world.results.send_signal(signal.SIGCONT))
    world.results.kill()
    ask()
    world.results.start()
    check_recovery(world.front)
    assert len(asked) == 2


def test_a_worker_that_is_away_is_told(world: World) -> None:
    """Who watches reads that no worker is there, and sees the run finish when one is back."""
    url = world.front.url + start(world.front, "progress", steps=3, seconds=1.0).json()["url"]
    check_stream(url, world.worker.kill, world.worker.start)


def test_a_broker_that_was_killed_is_found_again(world: World) -> None:
    """No restart of the web front is needed, and no run is lost."""
    finished = world.front.url + start(world.front, "delay").json()["url"]
    wait_until(lambda: requests.get(finished, timeout=5).json()["state"] == "succeeded", 20, "a run has ended")
    world.broker.kill()
    check_refusal(lambda: start(world.front, "delay"))
    assert requests.get(finished, timeout=5).json()["result"] == 2
    world.broker.start()
    check_recovery(world.front)


def test_the_embedded_broker_that_hangs_is_told(tmp_path: Path) -> None:
    """The laptop's own server is no exception."""
    data = tmp_path / "data"
    with WebFront(tmp_path / "front", {"DATA_DIR": str(data)}) as front:
        wait_until(lambda: start(front, "delay").status_code == 202, 10, "a workflow is started")
        (server,) = embedded.servers(data)
        server.suspend()
        try:
            check_refusal(lambda: start(front, "delay"))
            check_refusal(lambda: start(front, "chord"))
            check_refusal(lambda: requests.get(f"{front.url}/api/runs/{UNKNOWN}", timeout=5))
        finally:
            server.resume()
        wait_until(lambda: start(front, "delay").status_code == 202, 10, "a workflow is started again")
        front.stop()
        assert "Traceback" not in front.log()
