"""One request: ended at its deadline wherever the other side is slow, and without the environment's surprises."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from app.weather.errors import ProviderUnreachable
from app.weather.fetch import Request, fetch
from tests.services.weather_server import WeatherServer, weather_server
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(20)

PATH = "/v1/forecast?latitude=1&longitude=2&current=temperature_2m"


@pytest.fixture
def server() -> Iterator[WeatherServer]:
    with weather_server() as server:
        yield server


def requests_under_way() -> int:
    return sum(thread.name == "weather-request" for thread in threading.enumerate())


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
