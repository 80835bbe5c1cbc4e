"""The messaging classes beside plain aio-pika with the same guarantees, interleaved, on a private RabbitMQ.

The plain code also sends persistent JSON, with confirms, mandatory, on a robust connection, and acknowledges after its
handler; it has no time limits, no second try, no bounded window and no orderly end.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aio_pika
from aio_pika import DeliveryMode, ExchangeType, IncomingMessage, Message
from aio_pika.abc import AbstractIncomingMessage

from app.messaging import body
from app.messaging.event_bus import Logger, LoggerConfig
from app.messaging.work_queue import Worker, WorkerClient, WorkerClientConfig, WorkerConfig
from tests.services.rabbitmq import RabbitMQ, server_script

CAPACITY = 20
QUEUE, BUS = "bench", "bench-bus"
LIMITS = {"put": 0.9, "info": 0.9, "info, heard": 0.9, "worker": 0.8}
"""The least share of plain aio-pika's rate."""

Measure = Callable[[str, int], Awaitable[float]]


def main() -> int:
    """Print the rates and their ratios. Returns 1 when a ratio is below its limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=3_000)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if server_script() is None:
        print("RabbitMQ is not installed, so the messaging was not measured.", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder, RabbitMQ(Path(folder)) as node:
        figures = asyncio.run(measure(node.url, options.messages, options.runs))
    if options.json:
        print(json.dumps({"messaging": figures, "limits": LIMITS}))
    else:
        show(figures)
    return int(any(figures[name]["ratio"] < least for name, least in LIMITS.items()))


def show(figures: dict[str, dict[str, float]]) -> None:
    """Print a line for each measurement."""
    for name, row in figures.items():
        print(
            f"{name:<12} ours {row['ours']:6.0f}/s, plain aio-pika {row['plain']:6.0f}/s: "
            f"ratio {row['ratio']:.2f} (limit {LIMITS[name]})"
        )


async def measure(url: str, messages: int, runs: int) -> dict[str, dict[str, float]]:
    """Median rates per second, and the median of the ratios of runs that followed each other."""
    figures = {}
    for name, (ours, plain) in MEASURES.items():
        pairs = []
        for run in range(runs + 1):
            first, second = (ours, plain) if run % 2 else (plain, ours)
            rates = {first: messages / await first(url, messages), second: messages / await second(url, messages)}
            pairs.append((rates[ours], rates[plain]))
        pairs = pairs[1:]
        figures[name] = {
            "ours": statistics.median(own for own, _ in pairs),
            "plain": statistics.median(other for _, other in pairs),
            "ratio": statistics.median(own / other for own, other in pairs),
        }
    return figures


async def put(url: str, messages: int) -> float:
    """Seconds for gathered puts."""
    async with WorkerClient(WorkerClientConfig(url, QUEUE)) as client:
        started = time.perf_counter()
        await asyncio.gather(*(client.put({"number": number}) for number in range(messages)))
        seconds = time.perf_counter() - started
    await purge(url)
    return seconds


async def plain_put(url: str, messages: int) -> float:
    """The same by aio-pika."""
    async with await aio_pika.connect_robust(url) as connection:
        channel = await connection.channel(on_return_raises=True)
        await channel.declare_queue(QUEUE, durable=True)
        started = time.perf_counter()
        await asyncio.gather(
            *(channel.default_exchange.publish(persistent({"number": n}), QUEUE) for n in range(messages))
        )
        seconds = time.perf_counter() - started
    await purge(url)
    return seconds


async def info(url: str, messages: int) -> float:
    """Seconds for gathered events that nobody hears."""
    async with Logger(LoggerConfig(url, BUS)) as logger:
        started = time.perf_counter()
        await asyncio.gather(*(logger.info({"number": number}) for number in range(messages)))
        return time.perf_counter() - started


async def plain_info(url: str, messages: int) -> float:
    """The same by aio-pika."""
    async with await aio_pika.connect_robust(url) as connection:
        channel = await connection.channel(on_return_raises=True)
        exchange = await channel.declare_exchange(BUS, ExchangeType.DIRECT)
        started = time.perf_counter()
        await asyncio.gather(
            *(exchange.publish(event({"number": n}), "info", mandatory=False) for n in range(messages))
        )
        return time.perf_counter() - started


async def info_heard(url: str, messages: int) -> float:
    """Seconds for gathered events until a logger of the same process has handled them."""
    heard = Countdown(messages)

    class Hearing(Logger):
        async def handle_info(self, data: Any) -> None:
            heard.count()

    async with Hearing(LoggerConfig(url, BUS)) as logger:
        started = time.perf_counter()
        await asyncio.gather(*(logger.info({"number": number}) for number in range(messages)))
        await heard.over.wait()
        return time.perf_counter() - started


async def plain_info_heard(url: str, messages: int) -> float:
    """The same by aio-pika."""
    heard = Countdown(messages)
    async with await aio_pika.connect_robust(url) as connection:
        publishing, consuming = await connection.channel(on_return_raises=True), await connection.channel()
        exchange = await publishing.declare_exchange(BUS, ExchangeType.DIRECT)
        await consuming.set_qos(200)
        queue = await consuming.declare_queue(exclusive=True)
        await queue.bind(BUS, "info")

        async def on_message(message: AbstractIncomingMessage) -> None:
            async with message.process():
                json.loads(message.body)
                heard.count()

        await queue.consume(on_message)
        started = time.perf_counter()
        await asyncio.gather(
            *(exchange.publish(event({"number": n}), "info", mandatory=False) for n in range(messages))
        )
        await heard.over.wait()
        return time.perf_counter() - started


async def work(url: str, messages: int) -> float:
    """Seconds for a worker to handle what waits in its queue."""
    handled = Countdown(messages)

    class Counting(Worker):
        async def handler(self, msg: IncomingMessage) -> None:
            body.decode(msg.body)
            handled.count()

    await fill(url, messages)
    started = time.perf_counter()
    async with Counting(WorkerConfig(url, QUEUE, CAPACITY)):
        await handled.over.wait()
    return time.perf_counter() - started


async def plain_work(url: str, messages: int) -> float:
    """The same by aio-pika."""
    handled = Countdown(messages)
    await fill(url, messages)
    started = time.perf_counter()
    async with await aio_pika.connect_robust(url) as connection:
        channel = await connection.channel()
        await channel.set_qos(CAPACITY)
        queue = await channel.declare_queue(QUEUE, durable=True)

        async def on_message(message: AbstractIncomingMessage) -> None:
            async with message.process():
                json.loads(message.body)
                handled.count()

        await queue.consume(on_message)
        await handled.over.wait()
    return time.perf_counter() - started


MEASURES: dict[str, tuple[Measure, Measure]] = {
    "put": (put, plain_put),
    "info": (info, plain_info),
    "info, heard": (info_heard, plain_info_heard),
    "worker": (work, plain_work),
}


class Countdown:
    """Set when as many were counted as there are."""

    def __init__(self, number: int) -> None:
        self._left = number
        self.over = asyncio.Event()

    def count(self) -> None:
        """Count one."""
        self._left -= 1
        if self._left == 0:
            self.over.set()


def persistent(data: object) -> Message:
    """A message as plain code makes it."""
    return Message(json.dumps(data).encode(), content_type=body.JSON_TYPE, delivery_mode=DeliveryMode.PERSISTENT)


def event(data: object) -> Message:
    """A message that need not be kept."""
    return Message(json.dumps(data).encode(), content_type=body.JSON_TYPE)


async def fill(url: str, messages: int) -> None:
    """Put messages into the empty queue."""
    async with WorkerClient(WorkerClientConfig(url, QUEUE)) as client:
        await purge(url)
        await asyncio.gather(*(client.put({"number": number}) for number in range(messages)))


async def purge(url: str) -> None:
    """Empty the queue."""
    async with await aio_pika.connect(url) as connection:
        queue = await (await connection.channel()).get_queue(QUEUE, ensure=False)
        await queue.purge()


if __name__ == "__main__":
    sys.exit(main())
