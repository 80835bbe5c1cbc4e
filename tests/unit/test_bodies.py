"""Bodies of requests that never come."""

import asyncio
from typing import Any

import pytest
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope, Send

from app.web import bodies

SCOPE: dict[str, Any] = {
    "type": "http",
    "method": "POST",
    "path": "/polarities/",
    "headers": [(b"content-type", b"application/json"), (b"content-length", b"9")],
}


async def nothing(message: Message) -> None:
    """Send nowhere."""


async def test_a_body_that_stays_away_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a body, and then nothing: 408."""
    monkeypatch.setattr(bodies, "BODY_SECONDS", 0.1)
    monkeypatch.setattr(bodies, "SLOWEST", 1e9)
    pieces = [{"type": "http.request", "body": b"{", "more_body": True}]

    async def receive() -> Message:
        if pieces:
            return pieces.pop()
        await asyncio.Event().wait()
        raise AssertionError

    async def read(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive()).get("more_body"):
            pass

    async with asyncio.timeout(10):
        with pytest.raises(HTTPException) as caught:
            await bodies.Bodies(read)(SCOPE, receive, nothing)
    assert caught.value.status_code == 408


async def test_who_has_sent_all_may_listen_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream waits for the end of its connection, and that is no body."""
    monkeypatch.setattr(bodies, "BODY_SECONDS", 0.1)
    monkeypatch.setattr(bodies, "SLOWEST", 1e9)
    messages: list[Message] = [{"type": "http.disconnect"}, {"type": "http.request", "body": b"{}", "more_body": False}]

    async def receive() -> Message:
        if len(messages) == 1:
            await asyncio.sleep(0.3)
        return messages.pop()

    heard: list[str] = []

    async def listen(scope: Scope, receive: Receive, send: Send) -> None:
        heard.extend([(await receive())["type"], (await receive())["type"]])

    await bodies.Bodies(listen)(SCOPE, receive, nothing)
    assert heard == ["http.request", "http.disconnect"]
