"""What the web front answers when it fails itself."""

import json
import logging
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from app.web.headers import SecurityHeaders
from app.web.request_id import RequestId


async def broken(scope: Scope, receive: Receive, send: Send) -> None:
    raise RuntimeError("broken")


async def test_a_failure_is_a_problem_with_the_id_under_which_the_log_has_it(caplog: pytest.LogCaptureFixture) -> None:
    """With the headers that every answer has; the reason stands in the log alone."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    scope: dict[str, Any] = {"type": "http", "method": "GET", "headers": [(b"x-request-id", b"mine")], "path": "/"}
    with caplog.at_level(logging.ERROR):
        await SecurityHeaders(RequestId(broken))(scope, None, send)  # type: ignore[arg-type]
    headers = dict(sent[0]["headers"])
    assert (sent[0]["status"], headers[b"x-request-id"]) == (500, b"mine")
    assert headers[b"x-content-type-options"] == b"nosniff"
    assert "broken" not in json.loads(sent[1]["body"])["detail"]
    assert "The request mine has failed." in caplog.text
    assert "RuntimeError: broken" in caplog.text
