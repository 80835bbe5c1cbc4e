"""Connections that ask nothing."""

import asyncio

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from app.web import protocol


async def nobody(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer nothing."""


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: localhost\r\n"], ids=["nothing", "half-a-head"])
async def test_a_connection_that_asks_nothing_is_closed(sent: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would hold one of the places of those who do ask."""
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.1)
    config = uvicorn.Config(nobody, http=protocol.Protocol, lifespan="off", log_config=None)
    config.load()
    assert config.http_protocol_class is protocol.Protocol
    state = ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: protocol.Protocol(config, state, {}), "127.0.0.1", 0)
    async with server, asyncio.timeout(10):
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(sent)
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
