"""One request: ended at its deadline wherever the other side is slow, and without the environment's surprises."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from app.weather.errors import ProviderUnreachable
from app.weather.fetch import Request, fetch
from tests.services.weather_server import WeatherServer, weather_server
from tests.services.weather_world import requests_under_way
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(20)

PATH = "/v1/forecast?latitude=1&longitude=2&current=temperature_2m"


@pytest.fixture(autouse=True)
def no_kept_connections() -> None:
    """Those of the test before are ended."""
    wait_until(lambda: requests_under_way() == 0, 5, "the connections of the test before are ended")


@pytest.fixture
def server() -> Iterator[WeatherServer]:
    with weather_server() as server:
        yield server


@pytest.mark.parametrize("fault", ["hang", "drip", "drip-headers"])
def test_the_deadline_holds_for_everything(server: WeatherServer, fault: str) -> None:
    """However the server keeps a request waiting, it ends at the deadline, and no thread of it stays behind."""
    server.fault(fault)
    began = time.monotonic()
    with pytest.raises(ProviderUnreachable, match=r"did not answer within 0\.3 s\.$"):
        fetch(Request("The service", server.url + PATH, {}, deadline=0.3))
    assert time.monotonic() - began < 1.5
    wait_until(lambda: requests_under_way() == 0, 5, "the thread of the request has ended")


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_deadline_holds_before_the_first_byte(scheme: str) -> None:
    """A server that takes the connection and says nothing, in the TLS handshake neither, is left at the deadline."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"{scheme}://127.0.0.1:{silent.getsockname()[1]}/"
        began = time.monotonic()
        with pytest.raises(ProviderUnreachable, match="did not answer within"):
            fetch(Request("The service", url, {}, deadline=1.0))
        assert time.monotonic() - began < 2.5
    wait_until(lambda: requests_under_way() == 0, 5, "the thread of the request has ended")


def test_encryption_that_cannot_be_trusted_is_refused(server: WeatherServer) -> None:
    """A server that does not speak TLS as it should is no https server."""
    with pytest.raises(ProviderUnreachable, match=r"its certificate or encryption cannot be trusted\.$"):
        fetch(Request("The service", server.url.replace("http", "https") + PATH, {}))


def test_proxies_of_the_environment_are_not_used(server: WeatherServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request goes where it says, whatever HTTP_PROXY says."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    assert fetch(Request("The service", server.url + PATH, {})).status == 200


def test_the_greatest_size_is_counted_after_decompression(server: WeatherServer) -> None:
    """64 MB in a few kilobytes of gzip are noticed soon after the limit."""
    server.fault("gzip-bomb")
    with pytest.raises(Exception, match=r"more than 1 MB\.$"):
        fetch(Request("The service", server.url + PATH, {}, max_bytes=1024 * 1024))


@pytest.mark.parametrize(
    "url", ["http://", "http://[::1", "http://127.0.0.1:99999/", "http://\x00/", "http://no.invalid/"]
)
def test_an_address_that_is_none_is_a_sentence(url: str) -> None:
    """A URL that cannot be used, or names no host, is told in a sentence."""
    with pytest.raises(ProviderUnreachable, match=r"^The service could not be reached: .*\.$"):
        fetch(Request("The service", url, {}, deadline=5))


def test_a_redirected_post_keeps_its_form_only_where_http_says_so(server: WeatherServer) -> None:
    """After 307 the form is sent again, after 302 the request becomes a GET."""
    for fault, method in (("redirect-307", "POST"), ("redirect-302", "GET")):
        server.fault(fault)
        fetch(Request("The service", f"{server.url}/v1/forecast?x=1", {}, form={"latitude": "1", "longitude": "2"}))
        assert server.asked[-1].method == method


ANSWER = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 2\r\n\r\n{}"


class Hand:
    """A service with one thread, whose connections a test can look at."""

    def __init__(self, listening: socket.socket, answers: int, one_more: bool = False, answer: bytes = ANSWER) -> None:
        """Answer so often over each connection, then end it: at once, or when it has been asked `one_more` time."""
        self._answer = answer
        self.url = f"http://127.0.0.1:{listening.getsockname()[1]}/"
        self.heads: list[list[bytes]] = []
        """What was asked over each connection."""
        self.ended = 0
        """How many connections the other side has ended."""
        self._answers = answers
        self._one_more = one_more
        self._listening = listening
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):  # the test is over
            while True:
                connection, _ = self._listening.accept()
                self._talk(connection)

    def _talk(self, connection: socket.socket) -> None:
        heads: list[bytes] = []
        self.heads.append(heads)
        with connection:
            while len(heads) < self._answers + self._one_more:
                if not (head := connection.recv(65536)):
                    self.ended += 1
                    return
                heads.append(head)
                if len(heads) <= self._answers:
                    connection.sendall(self._answer)


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def test_requests_in_a_row_share_a_connection_that_is_ended_soon(listening: socket.socket) -> None:
    """Three requests come over one connection, without the cookie that the service gave; then it is ended."""
    hand = Hand(listening, answers=9)
    for _ in range(3):
        assert fetch(Request("The service", hand.url, {})).body == b"{}"
    assert [len(heads) for heads in hand.heads] == [3]
    assert not any(b"cookie" in head.lower() for head in hand.heads[0])
    wait_until(lambda: hand.ended == 1, 5, "the connection that nobody uses is ended")
    wait_until(lambda: requests_under_way() == 0, 5, "its thread has ended")


def test_a_connection_that_the_service_has_ended_is_not_used_again(listening: socket.socket) -> None:
    """A service that ends its connection after each answer, without saying so, gives an answer every time."""
    hand = Hand(listening, answers=1)
    for _ in range(5):
        assert fetch(Request("The service", hand.url, {})).body == b"{}"
    assert [len(heads) for heads in hand.heads] == [1] * 5


def test_a_connection_that_breaks_off_when_it_is_used_again_is_no_failure(listening: socket.socket) -> None:
    """A service that ends a kept connection when the next request comes has that one again over another connection."""
    hand = Hand(listening, answers=1, one_more=True)
    for _ in range(3):
        assert fetch(Request("The service", hand.url, {})).body == b"{}"
    assert [len(heads) for heads in hand.heads] == [2, 2, 1]


def test_a_connection_is_not_kept_after_an_interim_reply(listening: socket.socket) -> None:
    """The final reply that follows a 103 cannot be taken for that to the next request."""
    hand = Hand(listening, answers=9, answer=b"HTTP/1.1 103 Early Hints\r\n\r\n")
    for _ in range(2):
        assert fetch(Request("The service", hand.url, {})).status == 103
    assert [len(heads) for heads in hand.heads] == [1, 1]


def test_many_requests_at_once_each_have_their_answer(server: WeatherServer) -> None:
    """80 requests from 20 threads over kept connections: each gets the answer for its own place."""

    def latitude(number: int) -> float:
        reply = fetch(
            Request("The service", f"{server.url}/v1/forecast?latitude={number}&longitude=2&current=temperature_2m", {})
        )
        return float(json.loads(reply.body)["latitude"])

    with ThreadPoolExecutor(20) as pool:
        assert [round(found) for found in pool.map(latitude, range(80))] == list(range(80))
