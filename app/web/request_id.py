"""One id for a request: in its answer, in the headers of the tasks that it sends, and so in the worker's log.

And the key of what a request starts, by which it can be sent again without starting it twice.
"""

import logging
import re
import uuid
from contextvars import ContextVar

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.web.problems import problem

HEADER = "X-Request-ID"
ACCEPTED = re.compile(r"[0-9A-Za-z._-]{1,100}")

KEY_HEADER = "Idempotency-Key"

logger = logging.getLogger(__name__)

_key: ContextVar[str | None] = ContextVar("idempotency_key", default=None)
_current: ContextVar[str] = ContextVar("request_id", default="")


def current_request_id() -> str:
    """The id of the request that is being answered; empty outside of one."""
    return _current.get()


def current_idempotency_key() -> str | None:
    """The id that the task or the run is to have that the request starts, a UUID; None leaves it to us."""
    return _key.get()


class RequestId:
    """Takes the id that a request brings, when it can be shown and logged as it is, or gives it one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        brought = Headers(scope=scope).get(HEADER, "")
        request_id = brought if ACCEPTED.fullmatch(brought) else str(uuid.uuid4())
        _current.set(request_id)

        has_begun = False

        async def send_with_id(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[HEADER] = request_id
            await send(message)

        try:
            _key.set(_key_of(scope))
        except ValueError:
            refusal = problem(422, f"The {KEY_HEADER} must be a UUID, such as `uuidgen` prints.")
            await refusal(scope, receive, send_with_id)
            return
        try:
            await self._app(scope, receive, send_with_id)
        except Exception:
            logger.exception("The request %s has failed.", request_id)
            if has_begun:
                raise  # the server then breaks the answer off
            sentence = "Something went wrong here; the log of the web front says what, under the id of this request."
            failure = problem(500, sentence)
            await failure(scope, receive, send_with_id)


def _key_of(scope: Scope) -> str | None:
    brought = Headers(scope=scope).get(KEY_HEADER)
    return None if brought is None or scope["method"] != "POST" else str(uuid.UUID(brought))
