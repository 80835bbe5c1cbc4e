"""The event bus as a library: what gets through, in which order, and how many."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import aio_pika
import pytest
from aio_pika import ExchangeType, Message

from app.messaging.errors import ConfigurationError, DeclarationDiffers, MessageUnroutable
from app.messaging.event_bus import Event, EventBus, Logger, LoggerConfig
from app.messaging.names import Exchange
from app.messaging.observations import announce
from tests.integration.messaging.programs import eventually
from tests.services.rabbitmq import VirtualHost

EVENTS = 10_000


class Recorder:
    """Keeps the events it is given."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    async def __call__(self, event: Event) -> None:
        self.events.append(event)

    @property
    def data(self) -> list[Any]:
        return [event.data for event in self.events]


class TwoLevels(Logger):
    """A logger that keeps what it gets."""

    def __init__(self, url: str, name: str = "logger_metaclass") -> None:
        super().__init__(LoggerConfig(rabbit_url=url, name=name))
        self.got: list[tuple[str, Any]] = []

    async def handle_info(self, data: Any) -> None:
        self.got.append(("info", data))

    async def handle_critical(self, data: Any) -> None:
        self.got.append(("critical", data))


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("exchange", "subscriptions"),
    [
        pytest.param(
            Exchange("d", "direct"), [(("even",), {}, EVENTS // 2), (("odd", "even"), {}, EVENTS)], id="direct"
        ),
        pytest.param(Exchange("f", "fanout"), [((), {}, EVENTS)], id="fanout"),
        pytest.param(Exchange("t", "topic"), [(("*.#", "even"), {}, EVENTS), (("even",), {}, EVENTS // 2)], id="topic"),
        pytest.param(
            Exchange("h", "headers"),
            [((), {"match": "all"}, EVENTS // 2), ((), {"match": "any"}, EVENTS)],
            id="headers",
        ),
    ],
)
async def test_ten_thousand_events_are_counted_exactly(
    vhost: VirtualHost, exchange: Exchange, subscriptions: list[tuple[tuple[str, ...], dict[str, Any], int]]
) -> None:
    """Each event arrives once wherever it belongs, in the order in which it was sent, and nowhere else."""
    async with EventBus(vhost.url, exchange) as bus:
        recorders = [Recorder() for _ in subscriptions]
        for recorder, (keys, options, _) in zip(recorders, subscriptions, strict=True):
            headers = {"parity": "even", "b": "1"} if exchange.kind == "headers" else None
            await bus.subscribe(recorder, *keys, headers=headers, **options)
        parity = ["even", "odd"]
        await asyncio.gather(
            *(bus.publish(n, parity[n % 2], {"parity": parity[n % 2], "b": "1"}) for n in range(EVENTS))
        )
        for recorder, (*_, expected) in zip(recorders, subscriptions, strict=True):
            await eventually(lambda r=recorder, e=expected: len(r.events) >= e, f"{expected} have arrived", 200)
    for recorder, (*_, expected) in zip(recorders, subscriptions, strict=True):
        assert recorder.data == list(range(0, EVENTS, EVENTS // expected))


async def test_logger_hears_itself_and_others(vhost: VirtualHost) -> None:
    """Every logger of a bus gets every event, with its level; another bus gets none."""
    async with TwoLevels(vhost.url) as first, TwoLevels(vhost.url) as second, TwoLevels(vhost.url, "other") as other:
        await first.info({"info": True})
        await second.critical({"critical": True})
        for logger in (first, second):
            await eventually(lambda logger=logger: len(logger.got) == 2, "both events have arrived")
            assert logger.got == [("info", {"info": True}), ("critical", {"critical": True})]
        assert other.got == []


async def test_logger_has_one_temporary_queue_bound_to_its_levels(vhost: VirtualHost) -> None:
    """The queue is exclusive, bound by both levels, and gone with the logger."""
    async with TwoLevels(vhost.url):
        ((name, queue),) = vhost.queues().items()
        keys = {str(b["routing_key"]) for b in vhost.bindings() if b["source"] == "logger_metaclass"}
        assert (queue["exclusive"], queue["durable"], keys) == (True, False, {"info", "critical"})
        assert vhost.exchanges()["logger_metaclass"]["type"] == "direct"
    await eventually(lambda: name not in vhost.queues(), "the queue is gone")


async def test_logger_without_a_handler_only_sends(vhost: VirtualHost) -> None:
    """A program that only sends gets no queue, which would fill with its own events."""
    async with Logger(LoggerConfig(vhost.url, "logger_metaclass")) as sender:
        await sender.info({"nobody": "listens"})
        assert vhost.queues() == {}


async def test_handler_that_raises_does_not_end_the_subscription(
    vhost: VirtualHost, caplog: pytest.LogCaptureFixture
) -> None:
    """An event whose handler raises is gone, the log says so, and the next one is handled."""
    handled = []

    async def handle(event: Event) -> None:
        if event.data == 1:
            raise ValueError("not this one")
        handled.append(event.data)

    async with EventBus(vhost.url, Exchange("f", "fanout")) as bus:
        await bus.subscribe(handle)
        await bus.publish(1)
        await bus.publish(2)
        await eventually(lambda: handled == [2], "the second event is handled")
    assert "An event of 'f' was not handled, and is gone." in caplog.text


async def test_events_of_strangers_arrive_as_text(vhost: VirtualHost) -> None:
    """A body that is not JSON is handed on as its text."""
    recorder = Recorder()
    async with EventBus(vhost.url, Exchange("logs", "fanout")) as bus:
        await bus.subscribe(recorder)
        async with await aio_pika.connect(vhost.url) as connection:
            channel = await connection.channel()
            exchange = await channel.declare_exchange("logs", ExchangeType.FANOUT)
            await exchange.publish(Message("info: привет".encode()), "")
            await exchange.publish(Message(b"\xff"), "")
        await eventually(lambda: recorder.data == ["info: привет", "�"], "both have arrived as text")


async def test_stranger_gets_our_events(vhost: VirtualHost) -> None:
    """What we publish is plain JSON to whoever binds a queue of his own."""
    async with await aio_pika.connect(vhost.url) as connection, EventBus(vhost.url, Exchange("t", "topic")) as bus:
        channel = await connection.channel()
        queue = await channel.declare_queue(exclusive=True)
        await queue.bind("t", "logs.*")
        await bus.publish({"a": 1}, "logs.error")
        message = await queue.get(timeout=10)
        assert json.loads(message.body) == {"a": 1}
        await message.ack()


async def test_mandatory_event_that_nobody_takes_is_an_error(vhost: VirtualHost) -> None:
    """Whoever must know is told that nobody listens; whoever need not is not."""
    async with EventBus(vhost.url, Exchange("t", "topic")) as bus:
        await bus.subscribe(Recorder(), "logs.*")
        await bus.publish({}, "metrics.cpu")
        with pytest.raises(MessageUnroutable, match=r"exchange 't' takes the key 'metrics\.cpu'"):
            await bus.publish({}, "metrics.cpu", mandatory=True)


@pytest.mark.parametrize(
    ("theirs", "difference"),
    [
        pytest.param(Exchange("x", "direct", durable=True), "durable true, and false was asked for", id="durable"),
        pytest.param(Exchange("x", "topic"), "type topic, and direct was asked for", id="kind"),
    ],
)
async def test_differing_exchange_is_a_sentence(vhost: VirtualHost, theirs: Exchange, difference: str) -> None:
    """A difference names both sides, and what else uses the connection goes on undisturbed."""
    async with EventBus(vhost.url, theirs) as bus:
        await bus.subscribe(recorder := Recorder(), "key")
        with pytest.raises(DeclarationDiffers, match=rf"^The exchange 'x' exists with {difference}: ask for the same"):
            await EventBus(vhost.url, Exchange("x", "direct")).start()
        await bus.publish("still here", "key", mandatory=True)
        await eventually(lambda: recorder.data == ["still here"], "the event has arrived")


@pytest.mark.parametrize(
    ("exchange", "keys", "headers"),
    [
        pytest.param(Exchange("f", "fanout"), ("key",), None, id="key for a fanout exchange"),
        pytest.param(Exchange("d", "direct"), (), None, id="no key for a direct exchange"),
        pytest.param(Exchange("h", "headers"), (), {}, id="no header for a headers exchange"),
        pytest.param(Exchange("t", "topic"), ("k" * 256,), None, id="key too long"),
    ],
)
async def test_binding_that_the_exchange_ignores_is_refused(
    vhost: VirtualHost, exchange: Exchange, keys: tuple[str, ...], headers: Mapping[str, Any] | None
) -> None:
    """RabbitMQ would take it without a word and never send anything."""
    async with EventBus(vhost.url, exchange) as bus:
        with pytest.raises(ConfigurationError, match=r"^The configuration cannot be used: "):
            await bus.subscribe(Recorder(), *keys, headers=headers)
    assert vhost.queues() == {}


async def test_observations_are_announced_by_provider_and_place(vhost: VirtualHost) -> None:
    """Whoever follows one place gets its rows as they stand in the weather file."""
    rows = [
        {"provider": "open-meteo", "place": "St. Petersburg", "temperature_c": -2.5},
        {"provider": "met-norway", "place": "Berlin", "temperature_c": 4.0},
    ]
    recorder = Recorder()
    async with EventBus(vhost.url, Exchange("weather", "topic", durable=True)) as bus:
        await bus.subscribe(recorder, "weather.*.St__Petersburg")
        assert await asyncio.to_thread(announce, vhost.url, rows) == 2
        await eventually(lambda: recorder.data == rows[:1], "the row has arrived")
