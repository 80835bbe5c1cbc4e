"""What the web front refuses: strangers, other sites, other names, other bodies, and workflows that do not exist."""

import os
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from tests.services.celery import PROJECT
from tests.services.web import WebFront

TOKEN = "0123456789abcdefABCDEF"  # noqa: S105 - it guards nothing
START = "/api/workflows/delay/runs"


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebFront]:
    """A web front as on a laptop, without a worker."""
    with WebFront(tmp_path_factory.mktemp("open"), {"DATA_DIR": str(tmp_path_factory.mktemp("data"))}) as started:
        yield started


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebFront]:
    """A web front with a token."""
    settings = {"DATA_DIR": str(tmp_path_factory.mktemp("data")), "WEB_TOKEN": TOKEN, "WEB_NAMES": "weather.example"}
    with WebFront(tmp_path_factory.mktemp("guarded"), settings) as started:
        yield started


def serve(*arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    """Run the web front, which is expected to end by itself."""
    return subprocess.run(
        [sys.executable, "-m", "app.web", *arguments],
        cwd=PROJECT,
        env={**os.environ, "DATA_DIR": "/nonexistent", **settings},
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])  # noqa: S104 - it must refuse
def test_without_a_token_it_does_not_leave_the_machine(host: str) -> None:
    """A web front that others could reach does not start without a token, and says so in one sentence."""
    run = serve(WEB_HOST=host)
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.splitlines() == [
        f"The web front would listen on {host} without a token: set WEB_TOKEN, as to what `openssl rand -hex 16` "
        "prints, or leave WEB_HOST at 127.0.0.1."
    ]


def test_a_port_that_is_taken_is_named() -> None:
    """One sentence and exit code 1, no traceback."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        run = serve("--port", str(port))
    assert (run.returncode, run.stderr.count("\n")) == (1, 1)
    assert f"port {port}" in run.stderr


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"WEB_TOKEN": "short"}, "WEB_TOKEN cannot be used: it has 16 or more"),
        ({"WEB_PORT": "http"}, "WEB_PORT='http' cannot be used"),
        ({"WEB_HOST": "a b"}, "WEB_HOST='a b' cannot be used"),
        ({"WEB_NAMES": "a/b"}, "WEB_NAMES='a/b' cannot be used"),
        ({"WEB_NAMES": "a.example:8443"}, "WEB_NAMES='a.example:8443' cannot be used"),
    ],
    ids=["token", "port", "host", "names", "name-with-port"],
)
def test_a_setting_that_cannot_be_used_stops_the_start(settings: dict[str, str], sentence: str) -> None:
    """One sentence names the variable; a token is never shown."""
    run = serve(**settings)
    assert run.returncode == 1
    assert run.stderr.count("\n") == 1
    assert run.stderr.startswith(sentence)
    assert "short" not in run.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["--port", "99999"], 2, "a port is a number from 0 to 65535"),
        (["--host", "a b"], 2, "use an address or a host name"),
        (["--host", "a..b"], 1, "choose another WEB_HOST"),
        (["--host", "x" * 70], 1, "choose another WEB_HOST"),
    ],
    ids=["port", "no-host", "empty-label", "long-label"],
)
def test_an_option_that_cannot_be_used_stops_the_start(arguments: list[str], code: int, sentence: str) -> None:
    """One sentence says what would do, and no other port is listened on."""
    run = serve(*arguments, WEB_TOKEN=TOKEN)
    assert (run.returncode, run.stdout) == (code, "")
    assert sentence in run.stderr.splitlines()[-1]
    assert "Traceback" not in run.stderr


def test_only_the_token_lets_in(guarded: WebFront) -> None:
    """Programs send it; without it nothing is told but that the server lives."""
    for path in ("/", "/api/workflows", "/api/runs", "/docs", "/openapi.json", "/page/page.css", "/nothing"):
        answer = requests.get(guarded.url + path, timeout=5)
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer"), path
    for wrong in (
        "Bearer wrong",
        f"Basic {TOKEN}",
        f"Bearer {TOKEN}x",
        "Bearer",
        "Bearer tökén".encode().decode("latin-1"),
    ):
        headers = {"Authorization": wrong}
        assert requests.get(f"{guarded.url}/api/runs", headers=headers, timeout=5).status_code == 401, wrong
    right = {"Authorization": f"Bearer {TOKEN}"}
    assert requests.get(f"{guarded.url}/api/workflows", headers=right, timeout=5).status_code == 200
    assert requests.get(f"{guarded.url}/healthz", timeout=5).status_code in (200, 503)


def test_a_person_logs_in_with_a_form(guarded: WebFront) -> None:
    """The cookie that stands for the token is out of reach of scripts and of other sites, and cannot be forged."""
    with requests.Session() as browser:
        asked = browser.get(guarded.url, headers={"Accept": "text/html"}, timeout=5)
        assert asked.url == f"{guarded.url}/login"
        assert browser.post(asked.url, {"token": "wrong"}, timeout=5).status_code == 401
        answer = browser.post(asked.url, {"token": TOKEN}, timeout=5, allow_redirects=False)
        cookie = answer.headers["Set-Cookie"]
        assert (answer.status_code, answer.headers["Location"]) == (303, "/")
        assert {"HttpOnly", "SameSite=strict"} <= set(cookie.split("; "))
        assert TOKEN not in cookie
        assert browser.get(f"{guarded.url}/api/workflows", timeout=5).status_code == 200
    name, _, value = cookie.partition(";")[0].partition("=")
    end, _, signature = value.partition(".")
    for forged in (f"{int(end) + 1}.{signature}", f"{end}.", "", "1.2", f"{end}.{signature[:-1]}x"):
        assert requests.get(f"{guarded.url}/api/runs", cookies={name: forged}, timeout=5).status_code == 401, forged


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 202),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "{url}"}, 202),
        ({"Sec-Fetch-Site": "none"}, 202),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://["}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Host": "evil.example"}, 421),
        ({"Host": "localhost.evil.example:80"}, 421),
        ({"Host": "[::1]:8000"}, 202),
        ({"Host": "LOCALHOST"}, 202),
        ({"Host": "a:b:c"}, 421),
    ],
    ids=lambda value: " ".join(f"{name}={text}" for name, text in value.items()) if isinstance(value, dict) else None,
)
def test_another_site_can_start_nothing(front: WebFront, headers: dict[str, str], status: int) -> None:
    """A browser says which site has made a request, and by which name; a program that is none says neither."""
    sent = {name: text.format(url=front.url) for name, text in headers.items()}
    answer = requests.post(front.url + START, headers=sent, timeout=5)
    assert answer.status_code == status
    if status != 202:
        assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(("path", "body"), [("/polarities/task", {"review": "good"}), (START, {})], ids=["task", "run"])
def test_the_same_key_starts_the_same_thing_once(front: WebFront, path: str, body: dict[str, str]) -> None:
    """A request that is sent again under its Idempotency-Key is told where the first one has led."""
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    first, again = (requests.post(front.url + path, json=body, headers=headers, timeout=5) for _ in range(2))
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json() == again.json()
    assert first.json()["id"] == headers["Idempotency-Key"]


def test_a_key_that_cannot_be_used_is_refused(front: WebFront) -> None:
    """One that is no UUID, and that of another run."""
    key = requests.post(front.url + START, timeout=5).json()["id"]
    for wrong, path in (("1", START), (key, "/api/workflows/chain/runs")):
        answer = requests.post(front.url + path, headers={"Idempotency-Key": wrong}, timeout=5)
        assert answer.status_code == 422
        assert "Idempotency-Key" in answer.json()["detail"]


def test_another_site_cannot_ask_for_work_by_a_link(front: WebFront) -> None:
    """Links of other sites lead to the page and to nothing else."""
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    for path, status in (("/", 200), ("/docs", 200), ("/api/runs", 403), ("/reports/Moscow", 403)):
        assert requests.get(front.url + path, headers=link, timeout=5).status_code == status, path


def test_a_name_is_known_where_it_is_configured(guarded: WebFront) -> None:
    """Behind a reverse proxy the front is asked by another name."""
    headers = {"Authorization": f"Bearer {TOKEN}", "Host": "weather.example", "Origin": "https://weather.example"}
    assert requests.post(guarded.url + START, headers=headers, timeout=5).status_code == 202


@pytest.mark.parametrize(
    ("path", "body", "kind", "status"),
    [
        ("/polarities/", b'{"review": "good"}', "application/json", 200),
        ("/polarities/", b'{"review": "good"}', "text/plain", 415),
        ("/polarities/", b"review=good", "application/x-www-form-urlencoded", 415),
        ("/polarities/", b'{"review": "good"}', "", 415),
        ("/polarities/", b'{"review": ', "application/json", 422),
        ("/polarities/", b'{"review": "good", "more": 1}', "application/json", 422),
        ("/polarities/", b"[" * 100_000, "application/json", 400),
        ("/polarities/", b"\xff\xfe", "application/json", 422),
        ("/polarities/", b" " * 1_000_001, "application/json", 413),
        ("/api/workflows/tasks.arithmetic.add/runs", b"{}", "application/json", 404),
        ("/api/workflows/delay/runs", b'{"args": [1]}', "application/json", 422),
    ],
)
def test_bodies_are_json_of_a_bounded_length(front: WebFront, path: str, body: bytes, kind: str, status: int) -> None:
    """Each refusal is a problem with one sentence; no task is started by its name."""
    answer = requests.post(front.url + path, data=body, headers={"Content-Type": kind} if kind else {}, timeout=5)
    assert answer.status_code == status, answer.text
    if status >= 400:
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["status"] == status
        assert answer.json()["detail"].endswith(".")


@pytest.mark.parametrize("in_pieces", [False, True])
def test_who_sends_far_too_much_reads_why_it_is_refused(front: WebFront, in_pieces: bool) -> None:
    """All is sent before the answer is read; a connection that is closed on it would be reset."""
    size, piece = 8_000_000, b" " * 64_000
    framing = b"Transfer-Encoding: chunked" if in_pieces else b"Content-Length: %d" % size
    chunk = b"%x\r\n%s\r\n" % (len(piece), piece) if in_pieces else piece
    with socket.create_connection(("127.0.0.1", urlsplit(front.url).port or 80), timeout=10) as connection:
        head = b"POST /polarities/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n%s\r\n\r\n"
        connection.sendall(head % framing)
        for _ in range(size // len(piece)):
            connection.sendall(chunk)
        connection.sendall(b"0\r\n\r\n" if in_pieces else b"")
        assert connection.makefile("rb").readline() == b"HTTP/1.1 413 Request Entity Too Large\r\n"


def test_a_body_without_a_length_is_bounded_too(front: WebFront) -> None:
    """Who sends in pieces is stopped where the limit is."""
    pieces = (b" " * 100_000 for _ in range(20))
    headers = {"Content-Type": "application/json"}
    answer = requests.post(f"{front.url}/polarities/", data=pieces, headers=headers, timeout=5)
    assert answer.status_code == 413


@pytest.mark.parametrize("path", ["/", "/healthz", "/docs", "/api/workflows", "/nothing"])
def test_head_tells_what_get_would(front: WebFront, path: str) -> None:
    """The same status and headers, and no body."""
    head, get = (requests.request(method, front.url + path, timeout=5) for method in ("HEAD", "GET"))
    assert (head.status_code, head.content) == (get.status_code, b"")
    assert head.headers["Content-Length"] == str(len(get.content))


def test_head_of_a_stream_ends(front: WebFront) -> None:
    """A run that has not ended is told of for ever; its headers are not waited for."""
    url = requests.post(front.url + START, timeout=5).json()["url"]
    assert requests.head(f"{front.url}{url}/events", timeout=5).status_code == 200


def test_a_method_that_is_not_served_is_named_as_the_reason(front: WebFront) -> None:
    """Whatever the body is."""
    answer = requests.put(f"{front.url}/api/runs", data=b"x", headers={"Content-Type": "text/plain"}, timeout=5)
    assert answer.status_code == 405


def test_every_answer_has_the_security_headers(front: WebFront, guarded: WebFront) -> None:
    """Also that to a bad request: nothing from elsewhere, no frame, no guessing, no referrer elsewhere."""
    for url in (f"{front.url}/", f"{front.url}/nothing", f"{front.url}/page/page.css", f"{guarded.url}/api/runs"):
        headers = requests.get(url, timeout=5).headers
        assert "default-src 'self'" in headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize("path", ["/page/../application.py", "/page/%2e%2e/access.py", "/page//etc/passwd", "/page/"])
def test_no_file_outside_of_the_page_is_served(front: WebFront, path: str) -> None:
    """The path leads nowhere, and the answer says no more than that."""
    request = requests.Request("GET", front.url).prepare()
    request.url = front.url + path
    with requests.Session() as session:
        assert session.send(request, timeout=5).status_code == 404


def test_what_a_review_says_is_never_markup(front: WebFront, tmp_path: Path) -> None:
    """Answers are JSON whatever is asked for, and no browser takes them for a page."""
    answer = requests.post(f"{front.url}/polarities/", json={"review": 5}, headers={"Accept": "text/html"}, timeout=5)
    missing = requests.get(f"{front.url}/api/weather/<script>alert(1)</script>/series", timeout=5)
    assert {answer.headers["Content-Type"], missing.headers["Content-Type"]} == {"application/problem+json"}
