"""B12: one connection for a process, what happens when it ends, and what is said when there is none."""

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from app.messaging import connection as connection_module
from app.messaging import topology
from app.messaging.connection import RabbitMQConnectionManager
from app.messaging.errors import BrokerRefused, BrokerUnreachable, ConfigurationError, MessagingError
from app.messaging.event_bus import Logger, LoggerConfig
from app.messaging.work_queue import Worker, WorkerClient, WorkerClientConfig, WorkerConfig
from tests.integration.messaging.programs import eventually
from tests.services.ports import free_ports
from tests.services.rabbitmq import RabbitMQ, VirtualHost

SECRET = "s3cr3t"  # noqa: S105 - what must be seen nowhere


@pytest.fixture
async def manager(vhost: VirtualHost) -> Any:
    manager = RabbitMQConnectionManager(vhost.url)
    yield manager
    await manager.close_connection()


async def test_connection_and_channel_are_opened_once(vhost: VirtualHost, manager: RabbitMQConnectionManager) -> None:
    """However many ask at once, they get the same connection and the same channel."""
    connections = await asyncio.gather(*(manager.get_connection() for _ in range(5)))
    channels = await asyncio.gather(*(manager.get_channel() for _ in range(5)))
    assert len(set(connections)) == len(set(channels)) == 1
    await eventually(lambda: len(vhost.connections()) == 1, "RabbitMQ sees one connection")


@pytest.mark.parametrize(
    "close",
    [
        pytest.param(lambda manager: manager.close_connection(), id="by the manager"),
        pytest.param(lambda manager: _close(manager.get_connection), id="the connection"),
        pytest.param(lambda manager: _close(manager.get_channel), id="the channel"),
    ],
)
async def test_what_is_closed_is_opened_again(
    manager: RabbitMQConnectionManager, close: Callable[[RabbitMQConnectionManager], Awaitable[None]]
) -> None:
    """After any kind of close the next one who asks gets a channel that works."""
    before = await manager.get_channel()
    await close(manager)
    after = await manager.get_channel()
    assert after is not before
    await after.declare_queue("works", exclusive=True)


async def _close(get: Callable[[], Awaitable[Any]]) -> None:
    await (await get()).close()


async def test_everything_in_a_process_shares_one_connection(vhost: VirtualHost) -> None:
    """Clients, workers and loggers of one URL use one connection, which the last of them closes."""

    class Idle(Worker):
        pass

    async with contextlib.AsyncExitStack() as users:
        for _ in range(2):
            await users.enter_async_context(WorkerClient(WorkerClientConfig(vhost.url, "q")))
            await users.enter_async_context(Idle(WorkerConfig(vhost.url, "q")))
            await users.enter_async_context(Logger(LoggerConfig(vhost.url, "bus")))
        await eventually(lambda: len(vhost.connections()) == 1, "RabbitMQ sees one connection")
    await eventually(lambda: vhost.connections() == [], "the connection is closed")


async def test_connection_cut_by_the_broker_comes_back(vhost: VirtualHost, caplog: pytest.LogCaptureFixture) -> None:
    """A cut connection is reported once and comes back; what is put meanwhile is not lost."""
    async with WorkerClient(WorkerClientConfig(vhost.url, "q")) as client:
        await eventually(vhost.connections, "RabbitMQ sees the connection")
        name = str(vhost.connections()[0]["name"])
        vhost.node.api("DELETE", f"connections/{name.replace(' ', '%20').replace('>', '%3E')}").raise_for_status()
        await client.put({"i": 1})
        assert len(vhost.messages("q")) == 1
    ours = [record.getMessage() for record in caplog.records if record.name == connection_module.__name__]
    assert [" is lost; " in text for text in ours] == [True, False]
    assert "guest:guest" not in caplog.text


@pytest.mark.parametrize(
    ("url", "error", "sentence"),
    [
        pytest.param("amqp://u:{secret}@127.0.0.1:{closed}/", BrokerUnreachable, "nothing listens there", id="closed"),
        pytest.param("amqp://u:{secret}@127.0.0.1:{silent}/", BrokerUnreachable, "no answer within", id="silent"),
        pytest.param("amqp://u:{secret}@no.host.invalid/", BrokerUnreachable, "cannot be reached", id="no such host"),
        pytest.param("amqp://guest:{secret}@127.0.0.1:{port}/", BrokerRefused, "user or password", id="password"),
        pytest.param("amqp://guest:guest@127.0.0.1:{port}/none", BrokerRefused, "no such virtual host", id="vhost"),
        pytest.param("http://u:{secret}@127.0.0.1/", ConfigurationError, "is no URL of RabbitMQ", id="scheme"),
        pytest.param("amqp://u:{secret}@[::1/", ConfigurationError, "cannot be read", id="not a URL"),
    ],
)
async def test_no_connection_is_a_sentence_without_the_password(
    vhost: VirtualHost,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    url: str,
    error: type[MessagingError],
    sentence: str,
) -> None:
    """Whatever keeps us out is said in one sentence, within the limit, and the password is nowhere, nor in the log."""
    monkeypatch.setattr(connection_module, "CONNECT_TIMEOUT", 2.0)
    caplog.set_level(logging.DEBUG)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        (closed,) = free_ports(1)
        ports = {"closed": closed, "silent": silent.getsockname()[1], "port": vhost.node.port}
        config = WorkerClientConfig(url.format(secret=SECRET, **ports), "q")
        with pytest.raises(error, match=sentence) as refusal:
            await WorkerClient(config).start()
    text = f"{refusal.value!r} {config!r} {caplog.text}"
    assert SECRET not in text
    assert str(refusal.value).count("\n") == 0


@pytest.mark.timeout(120)
async def test_put_without_a_broker_ends_within_its_limit(tmp_path: Path) -> None:
    """While the broker is away a put waits for it, up to its time limit; then its caller is told, and stop() works."""
    with RabbitMQ(tmp_path) as node:
        client = WorkerClient(WorkerClientConfig(node.url, "q", timeout=1))
        await client.start()
        await asyncio.to_thread(node.kill)
        puts = [asyncio.create_task(client.put({"i": number})) for number in range(100)]
        await eventually(lambda: all(put.done() for put in puts), "every put has ended", 10)
        text = "RabbitMQ did not confirm the message within 1 s; it may or may not have it."
        assert {str(put.exception()) for put in puts} == {text}
        await client.stop()


async def test_cancelled_put_is_cancelled(vhost: VirtualHost) -> None:
    """Whoever cancels a put gets what asyncio promises, not an error of ours."""
    async with WorkerClient(WorkerClientConfig(vhost.url, "q")) as client:
        putting = asyncio.create_task(client.put({}))
        await asyncio.sleep(0)
        putting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await putting
        await client.put({})


async def test_start_while_the_broker_is_away_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who joins a connection that is lost is told so within the limit."""
    monkeypatch.setattr(connection_module, "CONNECT_TIMEOUT", 1.0)
    with RabbitMQ(tmp_path) as node:
        async with Logger(LoggerConfig(node.url, "bus")):
            await asyncio.to_thread(node.kill)
            with pytest.raises(BrokerUnreachable, match=r"(is away|broke off)"):
                await WorkerClient(WorkerClientConfig(node.url, "q")).start()


@pytest.mark.timeout(120)
async def test_frozen_broker_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that is there and does not answer holds nobody up for longer than the limit."""
    monkeypatch.setattr(topology, "ANSWER_TIMEOUT", 1.0)
    with RabbitMQ(tmp_path) as node:
        async with Logger(LoggerConfig(node.url, "bus")):
            node.send_signal(signal.SIGSTOP)
            try:
                with pytest.raises(BrokerUnreachable, match=r"^RabbitMQ does not answer within 1 s\.$"):
                    await WorkerClient(WorkerClientConfig(node.url, "q")).start()
            finally:
                node.send_signal(signal.SIGCONT)
