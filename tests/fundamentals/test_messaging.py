"""What RabbitMQ does, one feature at a time. Read this first: each test is an example that works."""

import asyncio
from typing import Any

import pytest
from aio_pika import IncomingMessage

from app.messaging import body
from app.messaging.errors import CallFailed, MessageUnroutable
from app.messaging.event_bus import Event, EventBus, Logger, LoggerConfig
from app.messaging.ml_routing import MLTaskSender, MLWorker, ModelTask
from app.messaging.names import IMAGES, LOGS, LOGS_LEVEL, TOPICS, Exchange
from app.messaging.rpc import RpcClient, RpcClientConfig, RpcServer, RpcServerConfig
from app.messaging.work_queue import Worker, WorkerClient, WorkerClientConfig, WorkerConfig
from tests.services.rabbitmq import VirtualHost

LIMIT = 20.0
"""Seconds for what takes milliseconds."""


class Inbox:
    """Collects what arrives, and waits until there is enough."""

    def __init__(self) -> None:
        self._arrived: asyncio.Queue[Any] = asyncio.Queue()

    async def add(self, event: Event) -> None:
        self._arrived.put_nowait(event.data)

    def put(self, data: Any) -> None:
        self._arrived.put_nowait(data)

    async def take(self, count: int) -> list[Any]:
        async with asyncio.timeout(LIMIT):
            return [await self._arrived.get() for _ in range(count)]

    @property
    def is_empty(self) -> bool:
        return self._arrived.empty()


class CollectingWorker(Worker):
    def __init__(self, config: WorkerConfig) -> None:
        super().__init__(config)
        self.inbox = Inbox()

    async def handler(self, msg: IncomingMessage) -> None:
        self.inbox.put(body.decode(msg.body))


class SharingWorker(CollectingWorker):
    """A worker that puts its name beside each task, into an inbox that it shares."""

    def __init__(self, config: WorkerConfig, name: str, inbox: Inbox) -> None:
        super().__init__(config)
        self.name, self.inbox = name, inbox

    async def handler(self, msg: IncomingMessage) -> None:
        self.inbox.put((self.name, body.decode(msg.body)["number"]))


async def test_tasks_wait_in_a_queue_for_a_worker(vhost: VirtualHost) -> None:
    """A task that is put before any worker runs is handled when one starts."""
    async with WorkerClient(WorkerClientConfig(rabbit_url=vhost.url, queue_name="tasks")) as client:
        await client.put({"type": "event"})
    async with CollectingWorker(WorkerConfig(rabbit_url=vhost.url, queue_name="tasks", capacity=2)) as worker:
        assert await worker.inbox.take(1) == [{"type": "event"}]


async def test_workers_share_a_queue(vhost: VirtualHost) -> None:
    """Each task goes to one of the workers, and both get some."""
    config, inbox = WorkerConfig(vhost.url, "tasks"), Inbox()
    async with (
        SharingWorker(config, "first", inbox),
        SharingWorker(config, "second", inbox),
        WorkerClient(WorkerClientConfig(vhost.url, "tasks")) as client,
    ):
        await asyncio.gather(*(client.put({"number": number}) for number in range(10)))
        handled = await inbox.take(10)
    assert {name for name, _ in handled} == {"first", "second"}
    assert sorted(number for _, number in handled) == list(range(10))


async def test_fanout_gives_every_subscriber_a_copy(vhost: VirtualHost) -> None:
    """Whoever listens to a fanout exchange gets everything."""
    first, second = Inbox(), Inbox()
    async with EventBus(vhost.url, LOGS) as bus:
        await bus.subscribe(first.add)
        await bus.subscribe(second.add)
        await bus.publish({"text": "hello"})
        assert await first.take(1) == await second.take(1) == [{"text": "hello"}]


async def test_direct_exchange_delivers_by_key(vhost: VirtualHost) -> None:
    """A subscriber gets the keys it asks for, and a key that nobody asks for comes back."""
    critical, everything = Inbox(), Inbox()
    async with EventBus(vhost.url, LOGS_LEVEL) as bus:
        await bus.subscribe(critical.add, "critical")
        await bus.subscribe(everything.add, "info", "critical")
        await bus.publish("a", "info")
        await bus.publish("b", "critical")
        assert await everything.take(2) == ["a", "b"]
        assert await critical.take(1) == ["b"]
        with pytest.raises(MessageUnroutable):
            await bus.publish("c", "something", mandatory=True)


async def test_topic_exchange_delivers_by_pattern(vhost: VirtualHost) -> None:
    """`*` stands for one word of the key, `#` for any number of words."""
    logs, metrics = Inbox(), Inbox()
    async with EventBus(vhost.url, TOPICS) as bus:
        await bus.subscribe(logs.add, "logs.*")
        await bus.subscribe(metrics.add, "metrics.#")
        for key in ("logs.error", "logs.error.disk", "metrics.cpu", "metrics.cpu.usage"):
            await bus.publish(key, key)
        assert await metrics.take(2) == ["metrics.cpu", "metrics.cpu.usage"]
        assert await logs.take(1) == ["logs.error"]
        assert logs.is_empty


async def test_headers_exchange_delivers_by_headers(vhost: VirtualHost) -> None:
    """A subscriber gets what has all the headers it asks for."""
    urgent = Inbox()
    async with EventBus(vhost.url, IMAGES) as bus:
        await bus.subscribe(urgent.add, headers={"type": "image", "priority": "high"})
        await bus.publish("later", headers={"type": "image", "priority": "low"})
        await bus.publish("now", headers={"type": "image", "priority": "high"})
        assert await urgent.take(1) == ["now"]


async def test_logger_sends_and_hears_two_levels(vhost: VirtualHost) -> None:
    """A logger calls the handler of the level that an event was sent with."""

    class MetaclassLogger(Logger):
        def __init__(self, url: str) -> None:
            super().__init__(LoggerConfig(rabbit_url=url, name="logger_metaclass"))
            self.inbox = Inbox()

        async def handle_info(self, data: dict[str, Any]) -> None:
            self.inbox.put(("info", data))

        async def handle_critical(self, data: dict[str, Any]) -> None:
            self.inbox.put(("critical", data))

    async with MetaclassLogger(vhost.url) as logger:
        await logger.info({"info": True})
        await logger.critical({"critical": True})
        assert await logger.inbox.take(2) == [("info", {"info": True}), ("critical", {"critical": True})]


async def test_call_has_an_answer(vhost: VirtualHost) -> None:
    """A server's result comes back to the caller, and so does its error."""

    class Divider(RpcServer):
        async def handler(self, data: Any) -> float:
            return float(data["of"] / data["by"])

    async with (
        Divider(RpcServerConfig(vhost.url, "divide")),
        RpcClient(RpcClientConfig(vhost.url, "divide", timeout=LIMIT)) as client,
    ):
        assert await client.call({"of": 10, "by": 4}) == 2.5
        with pytest.raises(CallFailed, match="division by zero"):
            await client.call({"of": 1, "by": 0})


async def test_model_tasks_go_by_their_type(vhost: VirtualHost) -> None:
    """A task reaches the method of its type, and a type that nobody serves is the sender's error."""
    inbox = Inbox()

    class Models(MLWorker):
        async def process_classification(self, task: ModelTask) -> None:
            inbox.put(("classification", task.task_id))

        async def process_regression(self, task: ModelTask) -> None:
            inbox.put(("regression", task.task_id))

        async def process_clustering(self, task: ModelTask) -> None:
            inbox.put(("clustering", task.task_id))

    task = {"task_id": "12345", "model_type": "regression", "data": {"regression": 0.01}, "parameters": {}}
    async with MLTaskSender(vhost.url) as sender, Models(vhost.url):
        await sender.send(task)
        assert await inbox.take(1) == [("regression", "12345")]
        with pytest.raises(MessageUnroutable):
            await sender.send(task | {"model_type": "vision"})


async def test_events_need_not_be_json_objects(vhost: VirtualHost) -> None:
    """Whatever JSON can express is an event."""
    inbox = Inbox()
    async with EventBus(vhost.url, Exchange("anything", "fanout")) as bus:
        await bus.subscribe(inbox.add)
        for data in (None, 1.5, "текст", [1, {"a": []}]):
            await bus.publish(data)
        assert await inbox.take(4) == [None, 1.5, "текст", [1, {"a": []}]]
