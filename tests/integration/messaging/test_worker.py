"""The work queue as a library: how many at once, what becomes of failures, and how it stops."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aio_pika
import pytest
from aio_pika import IncomingMessage, Message

from app.messaging import body
from app.messaging.errors import ConfigurationError, MessageRejected, MessageUnroutable
from app.messaging.work_queue import Worker, WorkerClient, WorkerClientConfig, WorkerConfig
from tests.integration.messaging.programs import LIMIT, environment, eventually
from tests.services.process import LocalProcess
from tests.services.rabbitmq import VirtualHost
from tests.waiting import wait_until

QUEUE = "work"


class Recorder(Worker):
    """Keeps what it is given; `act` says what else it does."""

    def __init__(self, config: WorkerConfig, act: Callable[[Any], Any] | None = None) -> None:
        super().__init__(config)
        self.act = act
        self.seen: list[Any] = []
        self.running = 0
        self.most_running = 0

    async def handler(self, msg: IncomingMessage) -> None:
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            data = body.decode(msg.body)
            self.seen.append(data)
            if self.act is not None:
                await self.act(data)
        finally:
            self.running -= 1


@pytest.fixture
async def client(vhost: VirtualHost) -> AsyncIterator[WorkerClient]:
    async with WorkerClient(WorkerClientConfig(vhost.url, QUEUE)) as client:
        yield client


async def publish(vhost: VirtualHost, content: bytes, **properties: Any) -> None:
    """Publish as a stranger does, with nothing of ours."""
    async with await aio_pika.connect(vhost.url) as connection:
        channel = await connection.channel()
        await channel.default_exchange.publish(Message(content, **properties), QUEUE)


async def dead_letter(vhost: VirtualHost) -> dict[str, Any]:
    """The one task that is put away, once it is."""
    name = f"{QUEUE}.dead-letters"
    # The broker lists a quorum queue a moment before it can be asked for its messages.
    await eventually(lambda: vhost.queues().get(name, {}).get("messages"), "there is a dead letter")
    (letter,) = vhost.messages(name)
    return letter


async def fail(data: Any) -> None:
    raise ValueError(f"no {data}")


async def test_put_is_a_persistent_json_message(vhost: VirtualHost, client: WorkerClient) -> None:
    """A task lies in the durable queue as the JSON it is, marked as such and persistent."""
    data = {"type": "event", "text": "погода 🌧", "number": 0.1, "list": [None, True, {"a": 1}]}
    await client.put(data)
    (message,) = vhost.messages(QUEUE)
    assert json.loads(str(message["payload"])) == data
    assert message["properties"]["delivery_mode"] == 2  # type: ignore[index]
    assert message["properties"]["content_type"] == "application/json"  # type: ignore[index]
    assert vhost.queues()[QUEUE]["durable"] is True


async def test_never_more_than_capacity_at_once(vhost: VirtualHost, client: WorkerClient) -> None:
    """Of thirty tasks exactly `capacity` run at a time, and the rest wait in the queue."""
    release = asyncio.Event()
    await asyncio.gather(*(client.put({"i": i}) for i in range(30)))
    async with Recorder(WorkerConfig(vhost.url, QUEUE, capacity=4), lambda _: release.wait()) as worker:
        await eventually(lambda: worker.running == 4, "four handlers run")
        await eventually(lambda: vhost.queues()[QUEUE].get("messages_ready") == 26, "26 tasks wait in the queue")
        release.set()
        await eventually(lambda: len(worker.seen) == 30, "all are handled")
    assert worker.most_running == 4


async def test_failed_task_is_tried_again_then_put_away(vhost: VirtualHost, client: WorkerClient) -> None:
    """A handler that raises sees the task once more per delay; then the task is a dead letter with the reason."""
    config = WorkerConfig(vhost.url, QUEUE, retry_delays=(0.1, 0.1, 0.2))
    async with Recorder(config, fail) as worker:
        await client.put({"i": 1})
        letter = await dead_letter(vhost)
        assert worker.seen == [{"i": 1}] * 4
    headers = letter["properties"]["headers"]
    assert headers["dead-letter-reason"] == "ValueError: no {'i': 1}"
    assert (headers["dead-letter-queue"], headers["retries"]) == (QUEUE, 3)
    assert json.loads(str(letter["payload"])) == {"i": 1}
    assert vhost.messages(QUEUE) == []


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(b"Hello World!", "Expecting value", id="text"),
        pytest.param(b"", "Expecting value", id="empty"),
        pytest.param(b"\xff\xfe", "invalid start byte", id="not UTF-8"),
        pytest.param(b'{"a": NaN}', "NaN is not a number of JSON", id="NaN"),
        pytest.param(b"1e999", "too large a number", id="infinite"),
        pytest.param(b"[" * 200_000, "nested too deeply", id="too deep"),
    ],
)
async def test_body_that_is_not_json_is_put_away_at_once(
    vhost: VirtualHost, client: WorkerClient, content: bytes, reason: str
) -> None:
    """What is not JSON never reaches the handler, and does not keep the next task from it."""
    await publish(vhost, content)
    await client.put({"next": True})
    async with Recorder(WorkerConfig(vhost.url, QUEUE)) as worker:
        await eventually(lambda: worker.seen == [{"next": True}], "the next task is handled")
    (letter,) = vhost.messages(f"{QUEUE}.dead-letters")
    assert reason in letter["properties"]["headers"]["dead-letter-reason"]  # type: ignore[index]


async def test_rejected_task_is_put_away_without_another_try(vhost: VirtualHost, client: WorkerClient) -> None:
    """MessageRejected says that no further try can help."""

    async def reject(data: Any) -> None:
        raise MessageRejected("there is no such city")

    async with Recorder(WorkerConfig(vhost.url, QUEUE), reject) as worker:
        await client.put({"city": "?"})
        letter = await dead_letter(vhost)
        assert len(worker.seen) == 1
    assert letter["properties"]["headers"]["dead-letter-reason"] == "there is no such city"


async def test_handler_in_the_documents_style_loses_nothing(vhost: VirtualHost, client: WorkerClient) -> None:
    """A handler that rejects its message itself, by `message.process()`, gets it again all the same."""

    class Processing(Recorder):
        async def handler(self, msg: IncomingMessage) -> None:
            async with msg.process():
                await super().handler(msg)
                if len(self.seen) == 1:
                    raise ValueError("once")

    async with Processing(WorkerConfig(vhost.url, QUEUE, retry_delays=(0.1,))) as worker:
        await client.put({"i": 1})
        await eventually(lambda: worker.seen == [{"i": 1}] * 2, "it comes again")
    assert vhost.messages(QUEUE) == []


async def test_cancelled_wait_in_a_handler_is_a_failure(vhost: VirtualHost, client: WorkerClient) -> None:
    """A handler whose own wait is cancelled has failed: the task is not stuck with the worker."""

    async def wait_for_what_is_cancelled(data: Any) -> None:
        future = asyncio.get_running_loop().create_future()
        future.cancel()
        await future

    async with Recorder(WorkerConfig(vhost.url, QUEUE, retry_delays=(0.1,)), wait_for_what_is_cancelled) as worker:
        await client.put({"i": 1})
        await eventually(lambda: len(worker.seen) == 2, "the task comes again")


async def test_hook_that_raises_does_not_stick(vhost: VirtualHost, client: WorkerClient) -> None:
    """A subclass with an error of its own in `on_retry` keeps its capacity: the task goes back to the queue."""

    class Faulty(Recorder):
        async def on_retry(self, msg: IncomingMessage, error: BaseException, delay: float) -> None:
            raise RuntimeError("an error in the hook")

    async with Faulty(WorkerConfig(vhost.url, QUEUE), fail) as worker:
        await client.put({"i": 1})
        await eventually(lambda: len(worker.seen) == 2, "the task comes again")


async def test_task_that_kills_its_workers_is_put_away(vhost: VirtualHost) -> None:
    """A quorum queue counts deliveries without an end, so what kills one worker after the other ends somewhere."""
    config = WorkerConfig(vhost.url, QUEUE, queue_type="quorum", most_deliveries=2)
    async with WorkerClient(WorkerClientConfig(vhost.url, QUEUE, queue_type="quorum")) as client:
        await client.put({"poison": True})
        for _ in range(3):  # a connection that ends without an answer is what a killed worker looks like
            connection = await aio_pika.connect(vhost.url)
            channel = await connection.channel()
            queue = await channel.get_queue(QUEUE, ensure=False)
            await eventually(lambda: vhost.queues()[QUEUE].get("messages_ready") == 1, "the task is there again")
            assert await queue.get(no_ack=False, timeout=LIMIT)
            await connection.close()
        async with Recorder(config) as worker:
            letter = await dead_letter(vhost)
            assert worker.seen == []
    assert "Delivered 2 times without an end" in letter["properties"]["headers"]["dead-letter-reason"]


async def test_stop_waits_for_what_runs(vhost: VirtualHost, client: WorkerClient) -> None:
    """`stop()` lets the running handlers end, starts no more, and every task is handled exactly once."""
    release = asyncio.Event()
    await asyncio.gather(*(client.put({"i": i}) for i in range(10)))
    worker = Recorder(WorkerConfig(vhost.url, QUEUE, capacity=3), lambda _: release.wait())
    await worker.start()
    await eventually(lambda: worker.running == 3, "three handlers run")
    stopping = asyncio.create_task(worker.stop())
    await eventually(lambda: vhost.queues()[QUEUE].get("consumers") == 0, "it takes no more tasks")
    assert not stopping.done()
    release.set()
    await stopping
    assert len(worker.seen) == 3
    async with Recorder(WorkerConfig(vhost.url, QUEUE, capacity=3)) as second:
        await eventually(lambda: len(second.seen) == 7, "the others are handled by the next worker")
    assert sorted(data["i"] for data in worker.seen + second.seen) == list(range(10))


async def test_stop_does_not_wait_for_ever(vhost: VirtualHost, client: WorkerClient) -> None:
    """A handler that outlives the limit is cancelled, and its task goes back to the queue."""
    config = WorkerConfig(vhost.url, QUEUE, stop_timeout=0.1)
    await client.put({"i": 1})
    async with Recorder(config, lambda _: asyncio.Event().wait()) as worker:
        await eventually(lambda: worker.running == 1, "the handler runs")
    assert worker.running == 0
    assert len(vhost.messages(QUEUE)) == 1


async def test_handler_cannot_stop_its_own_worker(vhost: VirtualHost, client: WorkerClient) -> None:
    """Waiting for oneself would never end: the handler is told so, and its task is tried again like any other."""
    refused = []

    async def stop(data: Any) -> None:
        with pytest.raises(ConfigurationError) as refusal:
            await worker.stop()
        refused.append(str(refusal.value))

    worker = Recorder(WorkerConfig(vhost.url, QUEUE), stop)
    async with worker:
        await client.put({})
        await eventually(lambda: refused, "the handler is refused")
    assert refused == ["A handler cannot stop its own worker: let another task do it."]


SCRIPT = """\
import asyncio, sys
from app.messaging.work_queue import Worker, WorkerConfig

class Slow(Worker):
    async def handler(self, msg):
        print("began", msg.body.decode(), flush=True)
        await asyncio.sleep(1)
        print("ended", msg.body.decode(), flush=True)

loop = asyncio.new_event_loop()
worker = Slow(WorkerConfig(rabbit_url=sys.argv[1], queue_name="work", capacity=2))
loop.create_task(worker.start())
loop.run_forever()
"""


async def test_sigterm_stops_a_program_in_the_documents_style(
    vhost: VirtualHost, client: WorkerClient, tmp_path: Path
) -> None:
    """A program that knows nothing of signals finishes its tasks on SIGTERM, and then dies of it as it would have."""
    await asyncio.gather(*(client.put({"i": i}) for i in range(4)))
    program = LocalProcess([sys.executable, "-c", SCRIPT, vhost.url], tmp_path, environment=environment(vhost.url))
    program.start()
    await eventually(lambda: program.log().count("began") == 2, "two handlers run")
    await asyncio.to_thread(program.stop)
    assert program.exit_code == -signal.SIGTERM
    assert (program.log().count("began"), program.log().count("ended")) == (2, 2)
    wait_until(lambda: len(vhost.messages(QUEUE)) == 2, LIMIT, "the other two are still there")


async def test_put_into_a_deleted_queue_is_an_error(vhost: VirtualHost, client: WorkerClient) -> None:
    """A task that no queue takes is not lost without a word."""
    vhost.node.api("DELETE", f"queues/{vhost.name}/{QUEUE}").raise_for_status()
    with pytest.raises(MessageUnroutable, match="There is no queue 'work'"):
        await client.put({"i": 1})


async def test_worker_comes_back_when_its_queue_is_deleted(vhost: VirtualHost, client: WorkerClient) -> None:
    """A queue that somebody deletes is made again by its worker, which goes on."""
    async with Recorder(WorkerConfig(vhost.url, QUEUE)) as worker:
        vhost.node.api("DELETE", f"queues/{vhost.name}/{QUEUE}").raise_for_status()
        await eventually(lambda: vhost.queues().get(QUEUE, {}).get("consumers") == 1, "the worker consumes again")
        await client.put({"i": 1})
        await eventually(lambda: worker.seen == [{"i": 1}], "the worker goes on")


@pytest.mark.parametrize("theirs", ["classic", "quorum"])
@pytest.mark.parametrize("ours", ["classic", "quorum"])
async def test_queue_keeps_the_type_it_has(vhost: VirtualHost, theirs: Any, ours: Any) -> None:
    """A queue that somebody made is used as it is, classic or quorum."""
    async with WorkerClient(WorkerClientConfig(vhost.url, QUEUE, queue_type=theirs)):
        pass
    async with (
        WorkerClient(WorkerClientConfig(vhost.url, QUEUE, queue_type=ours)) as client,
        Recorder(WorkerConfig(vhost.url, QUEUE, queue_type=ours)) as worker,
    ):
        await client.put({"i": 1})
        await eventually(lambda: worker.seen == [{"i": 1}], "the task is handled")
    assert vhost.queues()[QUEUE]["type"] == theirs
