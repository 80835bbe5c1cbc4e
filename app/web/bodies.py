"""Bodies of requests: no longer than their limit, and JSON, which a form of another site cannot send."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.web.problems import problem

MOST_BYTES = 1_000_000
UPLOADS: Mapping[str, int] = {"/pictures": 11_000_000}
"""Where files are sent, as forms, and how many bytes such a form may have."""
BODY_SECONDS = 30.0
SLOWEST = 100_000
"""Bytes a second: a body may take the time that its limit takes at this rate, and BODY_SECONDS besides."""
MOST_DISCARDED = 32_000_000
DISCARD_SECONDS = 5.0
"""So many bytes of a body that is refused are read all the same, for so long."""
FORMS = frozenset({"/login", *UPLOADS})


class Bodies:
    """Refuses bodies that are too long, in bytes or in time, or no JSON by their own account.

    Not FastAPI's own limit, which answers in plain text and before all that stands in front of the endpoints.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"].rstrip("/")
        left = limit = UPLOADS.get(path, MOST_BYTES)

        deadline: float | None = asyncio.get_running_loop().time() + BODY_SECONDS + limit / SLOWEST

        async def receive_some() -> Message:
            nonlocal left, deadline
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(408, "The body has not come in time.", {"Connection": "close"}) from None
            if not message.get("more_body"):
                deadline = None  # what comes now is the end of the connection, for which a stream waits long
            left -= len(message.get("body", b""))
            if left < 0:
                if message.get("more_body"):
                    await _discard(receive)
                raise HTTPException(413, _sentence(limit), {"Connection": "close"})
            return message

        headers = Headers(scope=scope)
        refusal = _refusal(headers, scope["method"], path, limit)
        if refusal and "expect" not in headers:  # who asks first has not sent it yet
            await _discard(receive)
        await (refusal or self._app)(scope, receive_some, send)


async def _discard(receive: Receive) -> None:
    """Take in what is still being sent, up to a limit.

    To close a connection on what nobody has read resets it, and its other end may lose the answer with it.
    """
    left = MOST_DISCARDED
    with suppress(TimeoutError):
        async with asyncio.timeout(DISCARD_SECONDS):
            while left > 0 and (message := await receive()).get("more_body"):
                left -= len(message.get("body", b""))


def _refusal(headers: Headers, method: str, path: str, limit: int) -> Response | None:
    length = headers.get("content-length", "0")
    if length.isascii() and length.isdecimal() and int(length) > limit:
        return problem(413, _sentence(limit), {"Connection": "close"})
    has_body = "transfer-encoding" in headers or length != "0"
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if has_body and method == "POST" and path not in FORMS and kind != "application/json":
        return problem(415, "The body must be JSON, with Content-Type: application/json.")
    return None


def _sentence(limit: int) -> str:
    return f"The body may have {limit:,} bytes at most."
