"""One HTTP request that is bounded in time and size, whatever the other side does."""

import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import closing, suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Final
from urllib.parse import urljoin, urlsplit

import requests
from urllib3.exceptions import HTTPError

from app.weather.errors import ProviderUnreachable, ReplyNotUnderstood
from app.weather.watched_connections import Connections, WatchedAdapter

MAX_REDIRECTS: Final = 3
REDIRECTS: Final = (301, 302, 303, 307, 308)
CONNECT_SECONDS: Final = 5.0
CHUNK: Final = 16 * 1024
"""Bytes off the wire per step; gzip makes at most about a thousand times as many of them."""
IDLE_SECONDS: Final = 1.0
"""For how long a connection is kept for the next request: services keep theirs for some seconds at least."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of a service: a GET, or a POST when there is a `form`."""

    service: str
    """The service's name in sentences."""
    url: str
    headers: Mapping[str, str]
    form: Mapping[str, str] | None = None
    deadline: float = 15.0
    """Seconds for everything together: name look-up, redirects, headers and body."""
    max_bytes: int = 16 * 1024 * 1024
    """The greatest body, after decompression."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole reply; the names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def fetch(request: Request) -> Reply:
    """Send `request` and return the reply, whatever its status.

    Certificates are verified, and settings of the environment (proxies, .netrc) are not used. Up to three redirects are
    followed, to http and https only and never from https to http.
    Raises ProviderUnreachable when no whole reply came within the deadline, ReplyNotUnderstood when it is too large or
    redirects where it must not.
    """
    # requests' own timeouts hold for each read: a server that sends a byte a second passes them for ever. So the
    # request runs in another thread, and is ended after the deadline by shutting that one's connections down.
    deadline = time.monotonic() + request.deadline
    if (kept := _idle_client()) is not None:
        with suppress(_KeptConnectionFailed):
            return kept.fetch(request, deadline)
    return _Client().fetch(request, deadline)


class _KeptConnectionFailed(ProviderUnreachable):
    """The service may have ended the connection in the same moment.

    RFC 9112 (9.3.1) allows to ask again over another one what changes nothing; forms here only ask, too.
    """


class _Client:
    """A thread that makes one request at a time, over connections of its own."""

    def __init__(self) -> None:
        self._connections = Connections()
        self._asked: _Asked = SimpleQueue()
        weakref.finalize(self, self._asked.put, None)  # a time limit may come anywhere, and leave it to nobody
        served = weakref.ref(self), self._asked, self._connections
        threading.Thread(target=_serve, args=served, daemon=True, name="weather-requests").start()

    def fetch(self, request: Request, deadline: float) -> Reply:
        """Make a request, and be there for the next one for a while; after a failure not."""
        done: Future[Reply] = Future()
        is_of_use = False
        try:
            self._asked.put((request, done))
            reply = done.result(timeout=max(0.0, deadline - time.monotonic()))
            # More than one connection: the service has ended the first, or redirects to another host. And http.client
            # takes an interim reply (1xx) for the whole, which comes later.
            is_of_use = self._connections.count == 1 and reply.status >= 200
        except TimeoutError:
            raise ProviderUnreachable(f"{request.service} did not answer within {request.deadline:g} s.") from None
        finally:
            if is_of_use:
                _idle.append(self)
            else:
                self._connections.shut_down()
                self._asked.put(None)
        return reply


_Asked = SimpleQueue[tuple[Request, Future[Reply]] | None]
_idle: deque[_Client] = deque()
os.register_at_fork(after_in_child=_idle.clear)  # the threads are the parent's


def _idle_client() -> _Client | None:
    with suppress(IndexError):
        return _idle.pop()
    return None


def _serve(client: "weakref.ref[_Client]", asked: _Asked, connections: Connections) -> None:
    """Make what is asked of a client, until it has been idle for a while, or is gone."""
    # Without a session of requests: it would keep cookies, ask the environment, read the whole body of each redirect,
    # however long, and take as long again as the adapter's own part in a request.
    with closing(WatchedAdapter(connections)) as adapter:
        while (job := _next(client, asked)) is not None:
            request, done = job
            _settle(done, request, adapter, connections)
            del job, request, done  # an idle thread holds no reply
    connections.shut_down()


def _next(client: "weakref.ref[_Client]", asked: _Asked) -> tuple[Request, Future[Reply]] | None:
    while True:
        try:
            return asked.get(timeout=IDLE_SECONDS)
        except Empty:
            with suppress(ValueError):  # somebody has just taken the client
                _idle.remove(client())  # type: ignore[arg-type]  # None is not there
                return None


def _settle(done: Future[Reply], request: Request, adapter: WatchedAdapter, connections: Connections) -> None:
    before = connections.count
    try:
        done.set_result(_follow(request, adapter))
    except (ProviderUnreachable, ReplyNotUnderstood) as error:
        done.set_exception(error)
    except (requests.RequestException, HTTPError, OSError, ValueError) as error:
        is_kept = isinstance(error, requests.ConnectionError) and connections.count == before
        kind = _KeptConnectionFailed if is_kept else ProviderUnreachable
        done.set_exception(kind(f"{request.service} could not be reached: {_reason(error)}."))
    except BaseException as error:  # whoever waits for the result is told, not this thread
        done.set_exception(error)


def _follow(request: Request, adapter: WatchedAdapter) -> Reply:
    """Send the request and follow its redirects."""
    url, form = request.url, request.form
    for _ in range(MAX_REDIRECTS + 1):
        with _open(adapter, request, url, form) as response:
            target = response.headers.get("location")
            if response.status_code not in REDIRECTS or target is None:
                return _read(request, response)
        url = redirect_target(request.service, url, target)
        form = form if response.status_code in (307, 308) else None
    raise ReplyNotUnderstood(f"{request.service} redirects the request more than {MAX_REDIRECTS} times.")


def _open(
    adapter: WatchedAdapter, request: Request, url: str, form: Mapping[str, str] | None
) -> closing[requests.Response]:
    headers = {"Accept": "application/json", "Accept-Encoding": "gzip, deflate", **request.headers}
    timeout = min(CONNECT_SECONDS, request.deadline), request.deadline + 1  # the deadline itself comes first
    prepared = requests.Request("GET" if form is None else "POST", url, headers, data=form).prepare()
    return closing(adapter.send(prepared, stream=True, timeout=timeout))


def _read(request: Request, response: requests.Response) -> Reply:
    body = bytearray()
    for chunk in response.iter_content(CHUNK):
        body += chunk
        if len(body) > request.max_bytes:
            megabytes = request.max_bytes / 1024 / 1024
            raise ReplyNotUnderstood(f"{request.service} sent an answer of more than {megabytes:g} MB.")
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Reply(response.status_code, headers, bytes(body))


def redirect_target(service: str, url: str, target: str) -> str:
    """The absolute URL of a redirect's target, if it is one to follow."""
    try:
        absolute = urljoin(url, target)
        parts = urlsplit(absolute)
    except ValueError:
        absolute, parts = "", urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ReplyNotUnderstood(f"{service} redirects the request to something that is no web address.")
    if urlsplit(url).scheme == "https" and parts.scheme == "http":
        raise ReplyNotUnderstood(f"{service} redirects the request from https to plain http, which is not followed.")
    return absolute


def _reason(error: Exception) -> str:
    """The kind of an error in words; the error's own text names addresses and internals."""
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate or encryption cannot be trusted"
    if isinstance(error, requests.Timeout):
        return "it did not answer in time"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "its answer was cut off"
    if isinstance(error, requests.exceptions.ContentDecodingError):
        return "its compressed answer is damaged"
    if isinstance(error, requests.ConnectionError):
        return "the connection failed"
    return "it does not speak HTTP as it should"
