"""The web front as a program uses it, on every way to run the project."""

import json
import re
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from pytest_celery import CeleryWorkerCluster

from app.workflows.catalogue import WORKFLOWS
from tests.services.celery import Worker
from tests.services.event_stream import ServerSentEvent, read_events
from tests.services.weather_rows import row
from tests.services.web import WebFront
from tests.waiting import wait_until

CHORDS = {"chord", "chord_error", "nested"}
QUICK = ["delay", "call", "group", "chain", "chord", "link_error", "link", "chord_error", "nested", "chunks"]
WAY_OUT = 10.0


@pytest.fixture(scope="module")
def web(
    celery_worker_cluster: CeleryWorkerCluster,
    celery_setup_config: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[WebFront]:
    """A web front for each deployment, beside its worker."""
    with WebFront(tmp_path_factory.mktemp("web"), celery_setup_config) as front:
        yield front


@pytest.fixture(scope="module")
def laptop(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The settings of a laptop: nothing but a folder."""
    return {"DATA_DIR": str(tmp_path_factory.mktemp("laptop")), "WEATHER_PLACES": "Moscow=55.7558,37.6173;Oslo=60,10"}


@pytest.fixture(scope="module")
def front(laptop: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebFront]:
    """The web front of a laptop."""
    with WebFront(tmp_path_factory.mktemp("front"), laptop) as started:
        yield started


@pytest.fixture(scope="module")
def worker(front: WebFront, laptop: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """Its worker, which serves reviews, too."""
    arguments = ("-Q", "celery,polarity")
    started = Worker(tmp_path_factory.mktemp("web-worker"), laptop, pool="threads", concurrency=8, arguments=arguments)
    try:
        yield started.start()
    finally:
        started.kill()


def start(web: WebFront, name: str, **parameters: float) -> str:
    """Start a workflow; returns the address of its run."""
    answer = requests.post(f"{web.url}/api/workflows/{name}/runs", json={"parameters": parameters}, timeout=5)
    assert answer.status_code == 202, answer.text
    assert answer.headers["Location"] == answer.json()["url"]
    return web.url + str(answer.json()["url"])


def get(url: str) -> Any:
    answer = requests.get(url, timeout=5)
    assert answer.status_code == 200, answer.text
    return answer.json()


def ended(url: str, limit: float = 20) -> Any:
    """The run at `url`, once it has ended."""
    wait_until(lambda: get(url)["state"] != "running", limit, "the run has ended")
    return get(url)


def tasks(step: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if step["kind"] == "task":
        yield step
    for child in step["children"]:
        yield from tasks(child)


@pytest.mark.parametrize("name", QUICK)
def test_a_workflow_is_started_and_gives_what_it_must(deployment: str, web: WebFront, name: str) -> None:
    """On each broker and result store; over rpc:// a chord is skipped, and says why."""
    run = ended(start(web, name))
    if name in CHORDS and deployment == "rabbitmq-rpc":
        assert (run["state"], run["ok"]) == ("skipped", True)
        assert "cannot join a chord" in run["result"]
    else:
        assert (run["state"], run["ok"]) == ("succeeded", True)
        assert run["result"] == run["expected"] == WORKFLOWS[name].expected


def test_a_stream_tells_of_every_step_and_ends(deployment: str, web: WebFront) -> None:
    """First the whole run, then what changes, at last the whole run again; then the stream closes."""
    events = list(read_events(f"{start(web, 'chain')}/events"))
    assert [event.name for event in (events[0], events[-1])] == ["run", "end"]
    assert {event.name for event in events[1:-1]} <= {"steps", "trouble"}
    last = events[-1].data
    assert (last["state"], last["result"]) == ("succeeded", 64)
    assert {step["state"] for step in tasks(last["root"])} == {"SUCCESS"}
    assert followed(events) == {step["key"]: step["state"] for step in every(last["root"])}


def every(step: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield step
    for child in step["children"]:
        yield from every(child)


def followed(events: list[ServerSentEvent]) -> dict[str, str]:
    """The states of all steps, as somebody knows them who was told the whole run once and then what changed."""
    states: dict[str, str] = {}
    for event in events[:-1]:
        if event.name == "run":
            states = {step["key"]: step["state"] for step in every(event.data["root"])}
        elif event.name == "steps":
            assert event.id == str(event.data["version"])
            states |= {step["key"]: step["state"] for step in event.data["steps"]}
    return states


def test_the_first_task_can_be_looked_at_before_a_worker_has_it(deployment: str, web: WebFront) -> None:
    """What was sent is PENDING, or further; an id that nobody has ever sent is not found."""
    (task, *_) = tasks(get(start(web, "delay"))["root"])
    found = get(f"{web.url}/api/tasks/{task['id']}")
    assert found["id"] == task["id"]
    wait_until(lambda: get(f"{web.url}/api/tasks/{task['id']}")["state"] == "SUCCESS", 10, "the task has succeeded")
    unknown = requests.get(f"{web.url}/api/tasks/11111111-2222-3333-4444-555555555555", timeout=5)
    assert (unknown.status_code, unknown.headers["Content-Type"]) == (404, "application/problem+json")
    assert unknown.json()["detail"].startswith("No task of this id is known")


def test_a_stream_goes_on_where_it_was_left(front: WebFront, worker: Worker) -> None:
    """Who comes back with the id of the last event is told only what came since; with an unknown id, everything."""
    url = f"{start(front, 'progress', steps=20, seconds=2.0)}/events"
    seen = []
    for event in read_events(url):
        seen.append(event)
        if sum(each.name == "steps" for each in seen) == 3:
            break
    rest = list(read_events(url, last_id=seen[-1].id))
    assert "run" not in {event.name for event in rest}
    assert next(event.data["version"] for event in rest if event.name == "steps") > int(str(seen[-1].id))
    assert rest[-1].data["state"] == "succeeded"
    assert [event.name for event in read_events(url, last_id="1")] == ["run", "end"]


def test_parameters_are_numbers_within_their_bounds(front: WebFront, worker: Worker) -> None:
    """The list of workflows names them; whoever gives others is told what is allowed."""
    (chord,) = [each for each in get(f"{front.url}/api/workflows") if each["name"] == "chord"]
    assert chord["needs_chords"]
    assert chord["parameters"] == [{"name": "size", "type": "integer", "default": 10, "minimum": 2, "maximum": 1000}]
    run = ended(start(front, "chord", size=25))
    assert (run["result"], len(list(tasks(run["root"])))) == (600, 26)
    for wrong in ({"size": 1}, {"size": 1001}, {"size": 2.5}, {"size": True}, {"length": 3}, {"size": "3"}):
        answer = requests.post(f"{front.url}/api/workflows/chord/runs", json={"parameters": wrong}, timeout=5)
        assert answer.status_code == 422, wrong
        assert answer.json()["detail"].endswith(".")


def test_a_run_survives_a_restart_of_the_web_front(
    front: WebFront, worker: Worker, laptop: dict[str, str], tmp_path: Path
) -> None:
    """A second web front, which has never heard of the run, shows the same, while it runs and after its end."""
    url = start(front, "progress", steps=10, seconds=2.0)
    with WebFront(tmp_path / "second", laptop) as second:
        there = url.replace(front.url, second.url)
        assert get(there)["id"] == get(url)["id"]
        *_, end = read_events(f"{there}/events")
        assert (end.name, end.data["state"], end.data["result"]) == ("end", "succeeded", 10)
        assert [get(f"{second.url}/api/runs")[0][name] for name in ("id", "state")] == [end.data["id"], "succeeded"]


def test_a_run_that_is_revoked_begins_nothing_more(front: WebFront, worker: Worker) -> None:
    """What a worker is doing it finishes; what waits never runs."""
    url = start(front, "progress", steps=5, seconds=1.0)
    busy = [start(front, "progress", steps=4, seconds=1.5) for _ in range(8)]
    waiting = start(front, "chain")
    answer = requests.post(f"{waiting}/revoke", timeout=5)
    assert answer.status_code == 202
    run = ended(waiting)
    assert run["state"] in ("revoked", "succeeded")  # it may have been quicker
    assert run["state"] == "revoked" or run["result"] == 64
    assert {ended(each)["state"] for each in [url, *busy]} == {"succeeded"}


def test_the_worker_is_told_which_request_it_works_for(front: WebFront, worker: Worker) -> None:
    """The id that a request brings is in its answer and in the worker's log, for every task of a workflow."""
    headers = {"X-Request-ID": "from-the-test.1"}
    answer = requests.post(f"{front.url}/api/workflows/nested/runs", headers=headers, timeout=5)
    assert answer.headers["X-Request-ID"] == "from-the-test.1"
    ended(front.url + answer.json()["url"])
    assert worker.log().count("It belongs to the request from-the-test.1.") == 7
    for refused in ("with space", "x" * 101, "a\tb"):
        made = requests.get(f"{front.url}/healthz", headers={"X-Request-ID": refused}, timeout=5)
        assert re.fullmatch(r"[0-9a-f-]{36}", made.headers["X-Request-ID"])


def test_a_worker_scores_reviews(front: WebFront, worker: Worker) -> None:
    """One or many; the state of each, and of all, at one address."""
    answer = requests.post(f"{front.url}/polarities/task", json={"review": "A terrible, boring film."}, timeout=5)
    assert answer.status_code == 202
    url = front.url + answer.json()["url"]
    wait_until(lambda: get(url)["state"] == "SUCCESS", WAY_OUT, "the review is scored")
    assert get(url)["result"]["polarity"] < 0
    assert get(url)["task"] == "polarity:score"
    many = requests.post(f"{front.url}/polarities/group", json={"reviews": ["I love it"] * 5 + ["Awful"]}, timeout=5)
    group = f"{front.url}/polarities/task/{many.json()['id']}"
    wait_until(lambda: get(group)["state"] == "SUCCESS", WAY_OUT, "all reviews are scored")
    assert (get(group)["done"], get(group)["total"]) == (6, 6)
    assert [score["polarity"] > 0 for score in get(group)["result"]] == [True] * 5 + [False]
    other = requests.post(f"{front.url}/api/workflows/delay/runs", json={}, timeout=5).json()["id"]
    assert requests.get(f"{front.url}/polarities/task/{other}", timeout=5).status_code == 404


@pytest.mark.parametrize(
    ("review", "least", "greatest", "known"),
    [
        ("I love this, it is wonderful!", 0.5, 1, True),
        ("The worst thing I have ever bought. I hate it.", -1, -0.5, True),
        ("It was not good.", -1, -0.05, True),
        ("The table has four legs.", 0, 0, False),
        ("Ужасный фильм, скука смертная.", 0, 0, False),
        ("😍", 0.1, 1, True),
        ("great " * 1000, 0.9, 1, True),
    ],
    ids=["good", "bad", "negated", "neutral", "russian", "emoji", "long"],
)
def test_a_review_is_scored_at_once(front: WebFront, review: str, least: float, greatest: float, known: bool) -> None:
    """Negative below 0, positive above; where no word is known, 0, and the answer says so."""
    answer = requests.post(f"{front.url}/polarities/", json={"review": review}, timeout=5)
    scored = answer.json()
    assert answer.status_code == 200
    assert least <= scored["polarity"] <= greatest
    assert (scored["known_words"] > 0, scored["language"] == "en") == (known, known)


NO_REVIEWS = {
    "empty": "",
    "blank": "  \n",
    "blank to Python": "\x1c\x1d\x1e\x1f\u2003",
    "long": "x" * 10_001,
    "words": "good " * 1001,
    "emoji": "😀" * 501,
    "null": None,
    "number": 5,
}


@pytest.mark.parametrize("review", NO_REVIEWS.values(), ids=NO_REVIEWS)
def test_what_is_no_review_is_refused(front: WebFront, review: object) -> None:
    """With 422 and a sentence, at once as well as by a worker."""
    for path, body in (("", {"review": review}), ("task", {"review": review}), ("group", {"reviews": [review]})):
        answer = requests.post(f"{front.url}/polarities/{path}", json=body, timeout=5)
        assert (answer.status_code, answer.json()["status"]) == (422, 422)


def test_the_weather_is_told_now_and_over_time(front: WebFront, laptop: dict[str, str]) -> None:
    """The last row of each place with its age and how complete the rows are; the rows as columns."""
    assert get(f"{front.url}/api/weather") == []
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    times = [now - timedelta(minutes=20 * count) for count in range(10) if count != 4]
    rows = [row("Moscow", moment) for moment in reversed(times)] + [row("Elsewhere", now - timedelta(days=8))]
    file = Path(laptop["DATA_DIR"]) / "weather" / "observations.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(each) + "\n" for each in rows))
    (latest,) = get(f"{front.url}/api/weather")
    assert (latest["place"], latest["temperature_c"]) == ("Moscow", 2.1)
    assert 0 <= latest["age_seconds"] < 2 * 3600
    assert latest["completeness"] == pytest.approx(0.9)
    series = get(f"{front.url}/api/weather/Moscow/series?hours=24")
    assert series["observed_at"] == sorted(series["observed_at"])
    assert {len(column) for name, column in series.items() if name != "place"} == {9}
    assert get(f"{front.url}/api/weather/Oslo/series")["temperature_c"] == []
    assert requests.get(f"{front.url}/api/weather/Nowhere/series", timeout=5).status_code == 404


def test_ctrl_c_ends_it_quietly(laptop: dict[str, str], worker: Worker, tmp_path: Path) -> None:
    """Also while somebody watches: the stream ends, and nothing is complained of."""
    with WebFront(tmp_path / "ending", laptop) as ending:
        stream = read_events(f"{start(ending, 'progress', steps=10, seconds=10.0)}/events")
        assert next(stream).name == "run"
        ending.send_signal(signal.SIGINT)
        assert "end" not in {event.name for event in stream}
        wait_until(lambda: not ending.is_running, 5, "it has ended")
        assert ending.exit_code == 130
        assert ending.log().count("\n") == 1


def test_health_is_told_within_two_seconds(front: WebFront, worker: Worker) -> None:
    """Every check with a sentence; without beat something is wrong, and yet requests are served."""
    began = time.monotonic()
    health = get(f"{front.url}/api/health")
    assert time.monotonic() - began < 2.5
    checks = {check["name"]: check for check in health["checks"]}
    assert checks["broker"]["ok"]
    assert not checks["beat"]["ok"]
    assert "celery -A app beat" in checks["beat"]["sentence"]
    assert health["ok"] is False
    assert get(f"{front.url}/healthz") == {"ok": True}


def test_the_documentation_needs_nothing_from_elsewhere(front: WebFront) -> None:
    """It names every endpoint, and has neither a script nor an address of another site in it."""
    page = requests.get(f"{front.url}/docs", timeout=5).text
    for path in get(f"{front.url}/openapi.json")["paths"]:
        assert path in page
    assert "<script" not in page
    assert not re.search(r"(src|href)=.?(https?:)?//", page)
