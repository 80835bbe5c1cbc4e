"""A small HTTP server that plays Open-Meteo and MET Norway, faults included; `python -m tests.services.weather_server`.

It answers for any place, by its own clock, in the shapes of the real services, and keeps what it was asked.
"""

import argparse
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from tests.services.weather_answers import RequestError, met_norway, open_meteo
from tests.services.weather_faults import FAULTS, Answer

OPEN_METEO = "open-meteo"
MET_NORWAY = "met-norway"
PATHS = {"/v1/forecast": OPEN_METEO, "/weatherapi/locationforecast/2.0/compact": MET_NORWAY}
DRIP_SECONDS = 0.05


@dataclass(frozen=True)
class Asked:
    """One request that came in."""

    service: str
    method: str
    query: Mapping[str, str]
    headers: Mapping[str, str]


@dataclass
class Trouble:
    """A fault of one service, for so many answers or until it is healed, and perhaps for one place only."""

    name: str
    remaining: float
    latitude: str | None
    headers: Mapping[str, str]


class WeatherServer:
    """Both services on one port of the loopback interface."""

    def __init__(self, port: int = 0, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.clock = clock
        self.answer_seconds = 0.0
        """How long each answer takes."""
        self.asked: list[Asked] = []
        self.stopped = threading.Event()
        self._troubles: dict[str, Trouble] = {}
        self._lock = threading.Lock()
        self._http = _Server(("127.0.0.1", port), _Handler)
        self._http.weather = self
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        self.open_meteo_url = self.met_norway_url = self.url

    def fault(
        self,
        name: str,
        service: str = OPEN_METEO,
        times: float = float("inf"),
        latitude: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Let `service` do the fault `name` from now on: so many `times`, for all places or the one at `latitude`.

        The answers in question have these `headers` beside, or in place of, their own.
        """
        if name not in FAULTS:
            raise ValueError(f"There is no fault {name!r}.")
        with self._lock:
            self._troubles[service] = Trouble(name, times, latitude, headers or {})

    def heal(self) -> None:
        """End all faults."""
        with self._lock:
            self._troubles.clear()

    def asked_of(self, service: str) -> list[Asked]:
        """The requests that `service` has had."""
        with self._lock:
            return [asked for asked in self.asked if asked.service == service]

    def answer(self, asked: Asked) -> Answer:
        """What to send for a request."""
        self.stopped.wait(self.answer_seconds)
        with self._lock:
            self.asked.append(asked)
            trouble = self._troubles.get(asked.service)
            troubled = trouble is not None and trouble.latitude in (None, asked.query.get("lat"))
            if trouble is not None and troubled:
                trouble.remaining -= 1
                troubled = trouble.remaining >= 0
        answer = self._right_answer(asked)
        if trouble is not None and troubled and "again" not in asked.query:
            FAULTS[trouble.name](answer)
            answer.headers.update(trouble.headers)
        return answer

    def _right_answer(self, asked: Asked) -> Answer:
        now = self.clock()
        if asked.service == OPEN_METEO:
            try:
                return Answer(200, {"Content-Type": "application/json; charset=utf-8"}, open_meteo(asked.query, now))
            except RequestError as error:
                return Answer(400, {"Content-Type": "application/json"}, {"error": True, "reason": str(error)})
        return _met_norway(asked, now)

    def start(self) -> "WeatherServer":
        """Answer from now on, in a thread."""
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def stop(self) -> None:
        """End, with everything that hangs."""
        self.stopped.set()
        self._http.shutdown()
        self._http.server_close()


@contextmanager
def weather_server(clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Iterator[WeatherServer]:
    """A running server, on a free port."""
    server = WeatherServer(clock=clock).start()
    try:
        yield server
    finally:
        server.stop()


def _met_norway(asked: Asked, now: datetime) -> Answer:
    agent = asked.headers.get("user-agent", "")
    latitude, longitude = asked.query.get("lat", ""), asked.query.get("lon", "")
    too_exact = any(len(number.partition(".")[2]) > 4 for number in (latitude, longitude))
    if not agent or agent.startswith("python") or too_exact:
        return Answer(403, {"Content-Type": "text/html"}, body=b"<html><h1>403 Forbidden</h1></html>")
    if not latitude or not longitude:
        return Answer(400, {"Content-Type": "text/plain"}, body=b"Mandatory parameters 'lat', 'lon' missing")
    updated = now.replace(minute=0, second=0, microsecond=0)
    headers = {
        "Content-Type": "application/json",
        "Last-Modified": format_datetime(updated, usegmt=True),
        "Expires": format_datetime(now.replace(microsecond=0) + timedelta(minutes=31), usegmt=True),
    }
    if asked.headers.get("if-modified-since") == headers["Last-Modified"]:
        return Answer(304, headers, body=b"")
    return Answer(200, headers, met_norway(float(latitude), float(longitude), now))


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256
    weather: WeatherServer

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that leaves is no error here."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Server

    def do_GET(self) -> None:
        self._serve("")

    def do_POST(self) -> None:
        self._serve(self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the base class
        """Keep the terminal clean; `WeatherServer.asked` has every request."""

    def _serve(self, form: str) -> None:
        parts = urlsplit(self.path)
        if parts.path not in PATHS:
            self._send(404, {"Content-Type": "text/plain"}, b"not found")
            return
        query = dict(parse_qsl(parts.query, keep_blank_values=True) + parse_qsl(form))
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = self.server.weather.answer(Asked(PATHS[parts.path], self.command, query, headers))
        if answer.headers.get("Location", "").startswith("?"):
            answer.headers["Location"] = f"{self.path}&{answer.headers['Location'][1:]}=1"
        self._deliver(answer)

    def _deliver(self, answer: Answer) -> None:
        body = json.dumps(answer.document).encode() if answer.body is None else answer.body
        body = answer.encode(body)
        if answer.delivery == "whole":
            self._send(answer.status, answer.headers, body)
            return
        self.close_connection = True
        with suppress(OSError):
            getattr(self, f"_deliver_{answer.delivery.replace('-', '_')}")(answer, body)

    def _deliver_close(self, answer: Answer, body: bytes) -> None:
        """Say nothing at all."""

    def _deliver_cut(self, answer: Answer, body: bytes) -> None:
        self._send(answer.status, answer.headers, body[: len(body) // 2], length=len(body))

    def _deliver_reset(self, answer: Answer, body: bytes) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _deliver_hang(self, answer: Answer, body: bytes) -> None:
        self.server.weather.stopped.wait()

    def _deliver_not_http(self, answer: Answer, body: bytes) -> None:
        self.wfile.write(b"220 mail.example.org ESMTP ready\r\n")

    def _deliver_drip(self, answer: Answer, body: bytes) -> None:
        self._send(answer.status, answer.headers, b"", length=len(body))
        self._drip(body)

    def _deliver_drip_headers(self, answer: Answer, body: bytes) -> None:
        self._drip(b"HTTP/1.1 200 OK\r\nX-Filler: " + b"x" * 60_000)

    def _deliver_endless(self, answer: Answer, body: bytes) -> None:
        self._send(answer.status, answer.headers, b"[", length=None)
        while not self.server.weather.stopped.is_set():
            self.wfile.write(b"0," * 32_768)

    def _deliver_endless_headers(self, answer: Answer, body: bytes) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while not self.server.weather.stopped.is_set():
            self.wfile.write(b"X-Filler: 1\r\n" * 1000)

    def _send(self, status: int, headers: Mapping[str, str], body: bytes, length: int | None = -1) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if length is not None:
            self.send_header("Content-Length", str(len(body) if length < 0 else length))
        self.end_headers()
        if status not in (204, 304):
            self.wfile.write(body)

    def _drip(self, content: bytes) -> None:
        for byte in content:
            self.wfile.write(bytes([byte]))
            self.wfile.flush()
            if self.server.weather.stopped.wait(DRIP_SECONDS):
                return


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="of 127.0.0.1; a free one by default")
    parser.add_argument("--fault", action="append", default=[], metavar="SERVICE=NAME", help="such as open-meteo=drip")
    arguments = parser.parse_args()
    server = WeatherServer(arguments.port)
    for text in arguments.fault:
        service, _, name = text.partition("=")
        server.fault(name, service)
    print(server.url, flush=True)
    with suppress(KeyboardInterrupt):
        server.start().stopped.wait()
    server.stop()


if __name__ == "__main__":
    main()
