"""Calls: answers, errors, time limits, and requests that nobody can answer."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aio_pika
import pytest
from aio_pika import Message

from app.messaging.errors import CallFailed, CallTimedOut, MessageNotJSON, MessageUnroutable
from app.messaging.rpc import RpcClient, RpcClientConfig, RpcServer, RpcServerConfig
from tests.integration.messaging.programs import eventually
from tests.services.rabbitmq import VirtualHost

QUEUE = "calls"
ENOUGH = 30.0


class Server(RpcServer):
    """Does what the request says."""

    def __init__(self, config: RpcServerConfig) -> None:
        super().__init__(config)
        self.calls: list[Any] = []

    async def handler(self, data: Any) -> Any:
        self.calls.append(data)
        match data:
            case {"divide": number}:
                return 10 // number
            case {"sleep": seconds}:
                await asyncio.sleep(seconds)
            case "bytes":
                return b"%PDF-1.7 \x00\xff"
            case "unspeakable":
                return {1, 2}
        return data


@pytest.fixture
async def server(vhost: VirtualHost) -> AsyncIterator[Server]:
    async with Server(RpcServerConfig(vhost.url, QUEUE, capacity=50)) as server:
        yield server


@pytest.fixture
async def client(vhost: VirtualHost) -> AsyncIterator[RpcClient]:
    async with RpcClient(RpcClientConfig(vhost.url, QUEUE, timeout=ENOUGH)) as client:
        yield client


async def test_each_call_gets_its_own_answer(server: Server, client: RpcClient) -> None:
    """A hundred calls at once, each with the answer to what it asked."""
    calls = [{"divide": number} for number in range(1, 101)]
    assert await asyncio.gather(*map(client.call, calls)) == [10 // number for number in range(1, 101)]


async def test_bytes_come_back_as_they_are(server: Server, client: RpcClient) -> None:
    """A server may answer with a file."""
    assert await client.call("bytes") == b"%PDF-1.7 \x00\xff"


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        pytest.param({"divide": 0}, "ZeroDivisionError: integer division or modulo by zero", id="handler raises"),
        pytest.param("unspeakable", "cannot be sent as JSON", id="answer is not JSON"),
    ],
)
async def test_errors_cross_the_wire(server: Server, client: RpcClient, request_: Any, sentence: str) -> None:
    """A failure of the server is the caller's error, and the server goes on."""
    with pytest.raises(CallFailed, match=sentence):
        await client.call(request_)
    assert await client.call({"divide": 5}) == 2


async def test_slow_answer_is_a_time_out_and_comes_too_late(server: Server, vhost: VirtualHost) -> None:
    """After the limit the caller is told so; the answer that comes later belongs to nobody."""
    async with RpcClient(RpcClientConfig(vhost.url, QUEUE, timeout=1)) as client:
        with pytest.raises(CallTimedOut, match=r"^No answer from 'calls' within 1 s\.$"):
            await client.call({"sleep": 1.5})
        await eventually(lambda: len(server.calls) == 1, "the server has had the call")
    async with RpcClient(RpcClientConfig(vhost.url, QUEUE, timeout=ENOUGH)) as client:
        assert await client.call("next") == "next"


async def test_call_that_timed_out_does_not_wait_for_a_server(vhost: VirtualHost) -> None:
    """A request ends with its caller's patience: no server works for somebody who has gone."""
    async with Server(RpcServerConfig(vhost.url, QUEUE)):
        pass  # the queue is there now, and nobody serves it
    async with RpcClient(RpcClientConfig(vhost.url, QUEUE, timeout=0.5)) as client:
        with pytest.raises(CallTimedOut):
            await client.call("too late")
    await eventually(lambda: vhost.messages(QUEUE) == [], "the request has expired")


async def test_call_without_a_server_is_an_error_at_once(client: RpcClient) -> None:
    """A queue that does not exist is no reason to wait."""
    with pytest.raises(MessageUnroutable, match="There is no queue 'calls'"):
        await client.call(1)


async def test_call_that_is_not_json_is_not_sent(server: Server, client: RpcClient) -> None:
    """What JSON cannot express is refused before it is sent."""
    with pytest.raises(MessageNotJSON):
        await client.call(float("nan"))
    assert server.calls == []


async def test_stopping_the_client_ends_its_calls(server: Server, vhost: VirtualHost) -> None:
    """A call that waits when its client stops does not wait for ever."""
    client = RpcClient(RpcClientConfig(vhost.url, QUEUE, timeout=ENOUGH))
    await client.start()
    call = asyncio.create_task(client.call({"sleep": 5}))
    await eventually(lambda: server.calls, "the server has the call")
    await client.stop()
    with pytest.raises(CallFailed, match="stopped before the answer came"):
        await call


@pytest.mark.parametrize(
    ("content", "properties", "logged"),
    [
        pytest.param(b"1", {"correlation_id": "1"}, "cannot be answered, and is dropped", id="no reply_to"),
        pytest.param(b"1", {"reply_to": "replies"}, "cannot be answered, and is dropped", id="no correlation_id"),
        pytest.param(b"1", {}, "cannot be answered, and is dropped", id="neither"),
        pytest.param(
            b"1", {"reply_to": "gone", "correlation_id": "1"}, "Nobody waits for the answer", id="caller has gone"
        ),
        pytest.param(b"{", {"reply_to": "gone", "correlation_id": "1"}, "Nobody waits", id="not JSON"),
    ],
)
async def test_request_that_cannot_be_answered_is_dropped(
    vhost: VirtualHost,
    server: Server,
    client: RpcClient,
    caplog: pytest.LogCaptureFixture,
    content: bytes,
    properties: dict[str, str],
    logged: str,
) -> None:
    """Such a request is logged and dropped, and the server answers the next one."""
    async with await aio_pika.connect(vhost.url) as connection:
        channel = await connection.channel()
        await channel.default_exchange.publish(Message(content, **properties), QUEUE)
    await eventually(lambda: logged in caplog.text, "the log says so")
    assert await client.call("next") == "next"
    await eventually(lambda: vhost.messages(QUEUE) == [], "the request is gone")


async def test_request_that_is_not_json_is_answered_with_an_error(vhost: VirtualHost, server: Server) -> None:
    """A stranger who sends something else is told what was wrong."""
    async with await aio_pika.connect(vhost.url) as connection:
        channel = await connection.channel()
        replies = await channel.declare_queue(exclusive=True)
        request = Message(b"{", reply_to=replies.name, correlation_id="7")
        await channel.default_exchange.publish(request, QUEUE)
        await eventually(lambda: server is not None, "the server runs")
        async with replies.iterator(timeout=ENOUGH) as incoming:
            reply = await anext(incoming)
            await reply.ack()
    assert (reply.correlation_id, reply.type) == ("7", "error")
    assert b"The body is not JSON" in reply.body
