"""Who may ask: by the right name, not at the wish of another site, and with the token where one is set.

A page of another site can have a browser send requests here. It cannot choose the Origin or Sec-Fetch-Site that the
browser adds (https://developer.mozilla.org/docs/Glossary/Fetch_metadata_request_header), nor the Host, unless its
name was made to lead here (DNS rebinding); so these three are checked.
"""

import hashlib
import hmac
import secrets
import time
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.settings import Settings
from app.web.problems import problem

COOKIE = "weatherbeat_session"
SESSION_SECONDS = 7 * 24 * 3600
READING = frozenset({"GET", "HEAD", "OPTIONS"})
OPEN_PATHS = frozenset({"/login", "/login.css", "/healthz", "/page/icon.svg"})
"""What is answered without the token."""
PAGES = frozenset({"/", "/login", "/docs"})
"""Where links of other sites may lead."""


class Access:
    """Lets through what may be answered."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._token = settings.web_token
        self._names = settings.web_names | {"localhost", settings.web_host.lower()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(HTTPConnection(scope))
        await (refusal or self._app)(scope, receive, send)

    def _refusal(self, request: HTTPConnection) -> Response | None:
        """The answer to a request that is not to be served; None for one that is."""
        headers, path, method = request.headers, request.url.path, request.scope.get("method", "GET")
        if not self._is_ours(headers.get("host", "")):
            return problem(421, "This server is not asked by that name; WEB_NAMES lists the names it is asked by.")
        if not _is_from_here(headers, method, path):
            return problem(403, "Another site has had this request made; only the web front's own pages may.")
        if self._token is None or path in OPEN_PATHS or self._has_token(request, self._token):
            return None
        if method == "GET" and "text/html" in headers.get("accept", ""):
            return RedirectResponse("/login", 303)
        return problem(
            401, "This server wants its token, as `Authorization: Bearer TOKEN`.", {"WWW-Authenticate": "Bearer"}
        )

    def _is_ours(self, host: str) -> bool:
        """Whether a Host is one of our names; an address cannot have been made to lead here, so all are."""
        try:
            name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
        except ValueError:
            return False
        return name in self._names or _is_address(name)

    def _has_token(self, request: HTTPConnection, token: str) -> bool:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return is_same(given.strip(), token)
        return is_session(request.cookies.get(COOKIE, ""), token)


def is_same(given: str, token: str) -> bool:
    """Whether a token that was given is the right one; how long that takes tells nothing about it."""
    return secrets.compare_digest(given.encode(), token.encode())


def make_session(token: str) -> str:
    """The value of a cookie that stands for `token` for some days, and from which it cannot be told."""
    end = str(int(time.time()) + SESSION_SECONDS)
    return f"{end}.{_signature(end, token)}"


def is_session(value: str, token: str) -> bool:
    """Whether `value` is such a cookie's, and its days are not over."""
    end, _, signature = value.partition(".")
    if not (end.isascii() and end.isdecimal() and is_same(signature, _signature(end, token))):
        return False
    return int(end) > time.time()


def _signature(end: str, token: str) -> str:
    return hmac.new(token.encode(), f"session until {end}".encode(), hashlib.sha256).hexdigest()


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _is_same_site(origin: str, host: str) -> bool:
    try:
        return urlsplit(origin).netloc.lower() == host.lower()
    except ValueError:
        return False


def _is_from_here(headers: Headers, method: str, path: str) -> bool:
    """Whether a request comes from our own pages, from a person, or from a program that is no browser."""
    host, origin = headers.get("host", ""), headers.get("origin")
    if origin is not None and method not in READING and not _is_same_site(origin, host):
        return False
    if headers.get("sec-fetch-site", "none") in ("same-origin", "none"):
        return True
    return method in READING and (path in PAGES or path.startswith("/page/"))
