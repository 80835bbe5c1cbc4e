"""The page in a real browser, over a real web front, broker and worker."""

import json
import re
import secrets
import signal
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.services import embedded
from tests.services.browser import browser
from tests.services.celery import PROJECT, Worker
from tests.services.weather_rows import row
from tests.services.web import WebFront

CONTRAST = (Path(__file__).parent / "contrast.js").read_text()
PAGE = PROJECT / "app" / "web" / "page"
LIMIT_MS = 40_000
TOKEN = secrets.token_hex(16)
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
MINUS = "\N{MINUS SIGN}"
SLOT = timedelta(minutes=20)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The embedded broker, and a weather file with a gap of three hours."""
    folder = tmp_path_factory.mktemp("page")
    (folder / "weather").mkdir()
    (folder / "weather" / "observations.jsonl").write_text("".join(_rows()))
    return {"DATA_DIR": str(folder), "WEATHER_PLACES": "Moscow=55.7558,37.6173"}


@pytest.fixture(scope="module")
def web(settings: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebFront]:
    """The web front; a test that stops it starts it again."""
    with WebFront(tmp_path_factory.mktemp("web"), settings) as front:
        yield front


@pytest.fixture(scope="module")
def guarded(settings: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebFront]:
    """A second web front, which wants a token, and whose results go over rpc://."""
    variables = {**settings, "CELERY_RESULT_BACKEND": "rpc://", "WEB_TOKEN": TOKEN}
    with WebFront(tmp_path_factory.mktemp("guarded"), variables) as front:
        yield front


@pytest.fixture(scope="module")
def worker(web: WebFront, settings: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """One worker; a test that kills it starts it again."""
    process = Worker(tmp_path_factory.mktemp("worker"), settings)
    try:
        yield process.start()
    finally:
        process.kill()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One browser for all tests."""
    expect.set_options(timeout=LIMIT_MS)
    with browser() as started:
        yield started


@pytest.fixture
def page(chromium: Browser, web: WebFront, worker: Worker) -> Iterator[Page]:
    """The page in a window of its own; a script that fails in it fails the test."""
    with chromium.new_context(viewport={"width": 1440, "height": 900}, reduced_motion="reduce") as context:
        shown = context.new_page()
        failures: list[str] = []
        shown.on("pageerror", lambda error: failures.append(str(error)))
        shown.goto(web.url)
        yield shown
    assert failures == []


def test_a_workflow_is_started_and_each_step_seen_to_its_end(page: Page) -> None:
    """A chord of chains inside a chain: every step with its result, as a screen reader is told of it."""
    start(page, "nested")
    expect(state(page)).to_contain_text("succeeded")
    expect(graph(page)).to_match_aria_snapshot("""
        - tree:
          - 'treeitem "add(1, 1): succeeded, result 2"'
          - 'treeitem "chord of 2: 4 of 4 done"'
          - 'treeitem "add(2, 1): succeeded, result 3"'
          - 'treeitem "mul(3, 2): succeeded, result 6"'
          - 'treeitem "add(2, 2): succeeded, result 4"'
          - 'treeitem "mul(4, 3): succeeded, result 12"'
          - 'treeitem "xsum([6, 12]): succeeded, result 18"'
          - 'treeitem "mul(18, 10): succeeded, result 180"'
    """)
    expect(page.get_by_text("It gave 180, as it must.")).to_be_visible()
    expect(page.get_by_role("link", name="succeeded: nested")).to_have_attribute("aria-current", "true")


def test_a_step_that_failed_shows_its_reason(page: Page) -> None:
    """The task, the body that did not run because of it, and the callback that was told."""
    start(page, "chord_error")
    expect(state(page)).to_contain_text("succeeded")  # failing is what it must do
    step(page, "broken_task()").hover()
    expect(details(page)).to_contain_text("ReasonRuntimeError('failed')")
    step(page, "then xsum()").click()
    expect(details(page)).to_contain_text('ReasonChordError("Dependency')
    expect(step(page, "on error on_task_error()")).to_have_accessible_name(re.compile("succeeded, .*ERROR IN TASK"))


def test_a_reload_in_the_middle_loses_nothing(page: Page) -> None:
    """The address has the run in it: the same steps are there again, and go on to their end."""
    start(page, "progress")
    expect(step(page, "count(40, 2)")).to_have_accessible_name(re.compile(r"running, [1-9]\d* of 40"))
    expect(page.get_by_role("progressbar")).to_have_attribute("value", re.compile(r"0\.\d"))
    page.reload()
    expect(step(page, "count(40, 2)")).to_have_accessible_name(re.compile(r"running, [1-9]\d* of 40"))
    expect(state(page)).to_contain_text("succeeded")
    expect(step(page, "count(40, 2)")).to_have_accessible_name(re.compile("succeeded.*result 40"))


def test_a_worker_that_is_killed_in_the_middle_is_no_end(page: Page, worker: Worker) -> None:
    """Another one takes the step over, and the page, which was never reloaded, sees it finish."""
    start(page, "progress")
    expect(step(page, "count(40, 2)")).to_have_accessible_name(re.compile(r"running, [1-9]\d* of 40"))
    worker.kill()
    worker.start()
    expect(state(page)).to_contain_text("succeeded")
    expect(page.get_by_text("It gave 40, as it must.")).to_be_visible()


def test_a_web_front_that_comes_back_is_found_again(page: Page, web: WebFront) -> None:
    """Meanwhile the page says that it is offline, at the top and at the run; nobody reloads it."""
    start(page, "progress")
    expect(step(page, "count(40, 2)")).to_have_accessible_name(re.compile(r"running, [1-9]\d* of 40"))
    web.kill()
    expect(page.locator("#connection")).to_contain_text("Offline")
    expect(page.locator("#health-line")).to_contain_text("Offline")
    web.start()
    expect(page.locator("#connection")).to_be_hidden()
    expect(page.locator("#health-line")).not_to_contain_text("Offline")
    expect(state(page)).to_contain_text("succeeded")
    expect(page.get_by_text("It gave 40, as it must.")).to_be_visible()


def test_a_broker_that_is_silent_is_told(page: Page, settings: Mapping[str, str]) -> None:
    """At the run, in a sentence, for as long as it says nothing; the run then goes on."""
    start(page, "progress")
    expect(step(page, "count(40, 2)")).to_have_accessible_name(re.compile(r"running, [1-9]\d* of 40"))
    (server,) = embedded.servers(Path(settings["DATA_DIR"]))
    server.send_signal(signal.SIGSTOP)
    try:
        expect(page.locator("#trouble")).to_contain_text("does not answer")
    finally:
        server.send_signal(signal.SIGCONT)
    expect(page.locator("#trouble")).to_be_hidden()
    expect(state(page)).to_contain_text("succeeded")


def test_what_was_revoked_does_not_start(page: Page) -> None:
    """A large group is called off with a button: what has not begun by then never does, and the page says so."""
    start(page, "group", size=500)
    page.get_by_role("button", name="Revoke").click()
    expect(state(page)).to_contain_text("revoked")
    expect(page.get_by_text("It was revoked")).to_be_visible()


def test_everything_works_by_keyboard(page: Page) -> None:
    """A workflow is found and started with Tab and Enter, its steps with Tab and the arrow keys; the focus is seen."""
    press_until(page, "Tab", "Start nested")
    page.keyboard.press("Enter")
    expect(page.locator("#run-name")).to_be_focused()
    expect(state(page)).to_contain_text("succeeded")
    press_until(page, "Tab", "add(1, 1): succeeded, result 2")
    expect(details(page)).to_contain_text("add(1, 1)")
    for key, name in (
        ("ArrowDown", "chord of 2: 4 of 4 done"),
        ("ArrowRight", "add(2, 1): succeeded, result 3"),
        ("ArrowLeft", "chord of 2: 4 of 4 done"),
        ("End", "mul(18, 10): succeeded, result 180"),
        ("Home", "add(1, 1): succeeded, result 2"),
    ):
        page.keyboard.press(key)
        expect(page.locator("[role=treeitem]:focus-visible")).to_have_accessible_name(name)
    page.keyboard.press("Tab")
    assert not page.evaluate("document.activeElement.matches('[role=treeitem]')"), "the graph is one stop of Tab"


@pytest.mark.timeout(120)
def test_a_chord_of_500_steps_costs_less_than_a_second(page: Page) -> None:
    """To load the page and to draw all of them; of one processor, since other tests run beside it."""
    start(page, "chord", size=500)
    cells = page.locator(".cell[data-look=succeeded]")
    expect(page.locator("#run-counts")).to_contain_text("501 of 501 steps done", timeout=90_000)
    expect(cells).to_have_count(500)
    profiler = page.context.new_cdp_session(page)
    profiler.send("Performance.enable", {"timeDomain": "threadTicks"})
    page.reload()
    expect(cells).to_have_count(500)
    metrics = {each["name"]: each["value"] for each in profiler.send("Performance.getMetrics")["metrics"]}
    assert 0 < metrics["TaskDuration"] < 1, metrics


@pytest.mark.parametrize("width", [390, 1440])
def test_it_is_readable(page: Page, width: int, tmp_path: Path) -> None:
    """On a phone and on a screen, light and dark: nothing is cut off to the right, and no text is too pale."""
    page.set_viewport_size({"width": width, "height": 900})
    start(page, "chord_error")
    expect(state(page)).to_contain_text("succeeded")
    expect(page.locator(".place")).to_be_visible()
    step(page, "broken_task()").click()
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") == 0
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        page.screenshot(path=tmp_path / f"{width}-{scheme}.png", full_page=True)
        assert page.evaluate(CONTRAST) == [], scheme


def test_a_shared_address_survives_the_login(chromium: Browser, guarded: WebFront) -> None:
    """Where a token is wanted, a wrong one is refused, and the right one leads to what the address asked for."""
    with chromium.new_page() as page:
        page.goto(f"{guarded.url}/#run=unknown")
        page.get_by_label("Token").fill("wrong")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).not_to_be_empty()
        log_in(page)
        expect(page.locator("#connection")).to_contain_text("no run of this id")


def test_it_says_where_chords_cannot_run(chromium: Browser, guarded: WebFront) -> None:
    """At each workflow that has one, and at no other: with results over rpc://, nothing can be joined."""
    with chromium.new_page() as page:
        page.goto(guarded.url)
        log_in(page)
        expect(page.get_by_role("form", name="nested")).to_contain_text("results cannot join a chord")
        expect(page.get_by_role("form", name="chain", exact=True)).not_to_contain_text("cannot")


def test_the_weather_shows_its_gaps(page: Page) -> None:
    """The place now, and over time with the hours that are missing, in a picture and in words."""
    place = page.locator(".place", has_text="Moscow")
    expect(place).to_contain_text(f"{MINUS}1.5 °C")
    expect(place).to_contain_text("3.4 m/s from SW")
    expect(
        place.get_by_role("img", name=f"Temperature: from {MINUS}1.5 °C to 5.0 °C, last {MINUS}1.5 °C; 1 gap")
    ).to_be_visible()
    expect(place.locator(".gap").first).to_be_visible()
    expect(place.get_by_role("link", name="Report of Moscow")).to_have_attribute("href", "/reports/Moscow")
    page.get_by_role("combobox", name="Last").select_option("168")
    expect(place.get_by_role("img", name="2 gaps without data").first).to_be_visible()  # nothing was kept before


def test_it_asks_nobody_else_and_no_data_become_markup(page: Page, web: WebFront) -> None:
    """Everything comes from the web front itself, and no script writes HTML."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.reload(wait_until="load")
    expect(page.locator(".place")).to_be_visible()
    assert {url for url in asked if not url.startswith(web.url)} == set()
    scripts = "".join(path.read_text() for path in PAGE.glob("*.js"))
    assert re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function", scripts) == []
    assert re.findall(r"<script(?![^>]*src=)|<style|\sstyle=|\son\w+=", (PAGE / "index.html").read_text()) == []


def start(page: Page, name: str, **parameters: int) -> None:
    """Start a workflow as a person does."""
    form = page.get_by_role("form", name=name, exact=True)
    for parameter, value in parameters.items():
        form.get_by_label(parameter).fill(str(value))
    form.get_by_role("button", name=f"Start {name}").click()


def log_in(page: Page) -> None:
    """Give the token as a person does."""
    page.get_by_label("Token").fill(TOKEN)
    page.get_by_role("button", name="Log in").click()


def state(page: Page) -> Locator:
    """Where the page says how the run stands."""
    return page.locator("#run-state")


def graph(page: Page) -> Locator:
    """The drawn workflow."""
    return page.get_by_role("tree")


def step(page: Page, call: str) -> Locator:
    """A step of the graph, by what a screen reader says of it first."""
    return graph(page).get_by_role("treeitem", name=re.compile(f"^{re.escape(call)}:"))


def details(page: Page) -> Locator:
    """The panel that tells all of one step."""
    return page.locator("#details")


def press_until(page: Page, key: str, name: str) -> None:
    """Press `key` until what is called `name` has the focus."""
    for _ in range(60):
        page.keyboard.press(key)
        if page.evaluate("document.activeElement.ariaLabel") == name:
            return
    pytest.fail(f"{key} never comes to {name!r}.")


def _rows() -> Iterator[str]:
    """Two days of the weather file, with three hours missing; the last row is a frost."""
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    last = now - timedelta(minutes=now.minute % 20)
    for back in range(6 * 24, -1, -1):
        observed_at = last - back * SLOT
        if not 30 < back < 40:
            yield json.dumps(row("Moscow", observed_at, -1.5 if back == 0 else back % 6)) + "\n"
