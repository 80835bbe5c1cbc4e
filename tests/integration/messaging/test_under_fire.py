"""B2, B3, B9 together: workers and the broker are ended in the middle of a run, and nothing is lost."""

import asyncio
import signal
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from app.messaging.names import dead_letter_queue
from app.messaging.publisher import WINDOW
from app.messaging.work_queue import WorkerClient, WorkerClientConfig
from tests.integration.messaging.programs import environment, eventually
from tests.services.process import LocalProcess
from tests.services.rabbitmq import RabbitMQ, VirtualHost

MESSAGES = 5_000
FEWER = 2_000
CAPACITY = 4
QUEUE = "fire"
LIMIT = 240.0

SCRIPT = f"""\
import asyncio, json, os, sys
from app.messaging.work_queue import Worker, WorkerConfig

class Recorder(Worker):
    async def handler(self, msg):
        await asyncio.sleep(0.005)
        os.write(1, msg.body + b"\\n")

async def main():
    worker = Recorder(WorkerConfig(sys.argv[1], "{QUEUE}", {CAPACITY}, queue_type=sys.argv[2]))
    await worker.start()
    os.write(2, b"ready\\n")
    await asyncio.Event().wait()

asyncio.run(main())
"""


class RecordingWorker(LocalProcess):
    """A worker that writes each message that it has handled to its log, a line each."""

    def __init__(self, directory: Path, url: str, queue_type: str, name: str) -> None:
        command = [sys.executable, "-c", SCRIPT, url, queue_type]
        super().__init__(command, directory, environment=environment(url), name=name)

    def is_ready(self) -> bool:
        return "ready" in self.log()

    def handled(self) -> list[str]:
        """The bodies of what it has handled so far."""
        return [line for line in self.log().splitlines() if line.startswith('{"i":')]


def start_workers(directory: Path, url: str, queue_type: str) -> list[RecordingWorker]:
    return [RecordingWorker(directory, url, queue_type, f"worker-{number}").start() for number in range(3)]


async def put_all(url: str, queue_type: str, count: int = MESSAGES) -> None:
    async with WorkerClient(WorkerClientConfig(url, QUEUE, queue_type=queue_type)) as client:  # type: ignore[arg-type]
        await asyncio.gather(*(client.put({"i": number}) for number in range(count)))


def counted(workers: list[RecordingWorker]) -> Counter[str]:
    return Counter(body for worker in workers for body in worker.handled())


@pytest.mark.timeout(LIMIT + 60)
@pytest.mark.parametrize(
    ("queue_type", "restart"),
    [
        pytest.param("classic", RabbitMQ.stop, id="classic queue, broker stopped in order"),
        pytest.param("quorum", RabbitMQ.kill, id="quorum queue, broker killed"),
    ],
)
async def test_nothing_is_lost_under_fire(
    tmp_path: Path, queue_type: str, restart: object, record_property: Callable[[str, object], None]
) -> None:
    """One of three workers is killed, one is stopped, the broker restarts: every message is handled, few of them twice.

    Handled twice can be what was in flight at a worker when it was killed, or when the broker went away.
    """
    with RabbitMQ(tmp_path / "node") as node:
        await put_all(node.url, queue_type)
        workers = await asyncio.to_thread(start_workers, tmp_path, node.url, queue_type)
        killed, stopped, _ = workers
        await eventually(lambda: len(counted(workers)) > MESSAGES * 0.2, "a fifth is handled", LIMIT)
        killed.kill(signal.SIGKILL)
        await eventually(lambda: len(counted(workers)) > MESSAGES * 0.4, "two fifths are handled", LIMIT)
        await asyncio.to_thread(restart, node)  # type: ignore[arg-type]
        await asyncio.to_thread(node.start)
        await eventually(lambda: len(counted(workers)) > MESSAGES * 0.6, "three fifths are handled", LIMIT)
        await asyncio.to_thread(stopped.stop)
        await eventually(lambda: len(counted(workers)) == MESSAGES, "every message is handled", LIMIT)
        for worker in workers:
            await asyncio.to_thread(worker.stop)
        twice = sum(times - 1 for times in counted(workers).values())
        record_property("seen", f"{MESSAGES} messages, {twice} of them handled twice ({queue_type} queue)")
        assert twice <= CAPACITY + 2 * CAPACITY  # at the killed worker, and at the two that saw the broker go
        with node.vhost():  # the API answers again
            queues = {entry["name"] for entry in node.api("GET", "queues").json()}
        assert dead_letter_queue(QUEUE) not in queues


@pytest.mark.timeout(LIMIT + 60)
async def test_stopping_loses_and_doubles_nothing(vhost: VirtualHost, tmp_path: Path) -> None:
    """Workers that are stopped by SIGTERM one after the other have handled every message exactly once."""
    await put_all(vhost.url, "classic", FEWER)
    workers = await asyncio.to_thread(start_workers, tmp_path, vhost.url, "classic")
    for number, worker in enumerate(workers[:2], start=1):
        await eventually(lambda n=number: len(counted(workers)) > n * FEWER * 0.3, "some are handled", LIMIT)
        await asyncio.to_thread(worker.stop)
        assert worker.exit_code == -signal.SIGTERM
    await eventually(lambda: len(counted(workers)) == FEWER, "every message is handled", LIMIT)
    await asyncio.to_thread(workers[2].stop)
    assert set(counted(workers).values()) == {1}
    assert vhost.messages(QUEUE) == []


@pytest.mark.timeout(LIMIT + 60)
async def test_putting_outlives_a_restart_of_the_broker(tmp_path: Path) -> None:
    """Every task that was put while the broker was killed and came back is there; only what waited may be twice."""
    with RabbitMQ(tmp_path / "node") as node:
        putting = asyncio.create_task(put_all(node.url, "quorum", FEWER))
        await eventually(lambda: node.api("GET", f"queues/%2F/{QUEUE}").json().get("messages", 0) > 100, "some are put")
        await eventually(lambda: node.is_kept(QUEUE), "the queue outlives a kill")
        await asyncio.to_thread(node.kill)
        await asyncio.to_thread(node.start)
        await putting
        worker = RecordingWorker(tmp_path, node.url, "quorum", "worker")
        with worker:
            await eventually(lambda: len(set(worker.handled())) == FEWER, "every message is handled", LIMIT)
        assert len(worker.handled()) <= FEWER + WINDOW
