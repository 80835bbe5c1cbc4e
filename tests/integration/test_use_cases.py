"""Pictures, forecasts and what is done every night: from the web front to a worker, on the embedded broker."""

import os
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import requests
from celery import uuid
from PIL import Image

from app.celery import app as project_app
from app.forecast.training import LEAST_DAYS, STEPS
from app.pictures.errors import PictureError
from app.pictures.store import LARGEST, SIZES, Pictures
from tasks.housekeeping import KEEP_SECONDS
from tasks.report import DAYS_TO_MAKE_GOOD, KEEP_RESULT_SECONDS
from tests.services.celery import Worker
from tests.services.setup import ProjectSetup
from tests.services.weather_rows import write_weather
from tests.services.web import WebFront
from tests.waiting import wait_until

LIMIT = 60.0

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_weather(folder / "weather" / "observations.jsonl", ["Moscow"], days=LEAST_DAYS + 10)
    return folder


@pytest.fixture(scope="module")
def settings(data: Path) -> dict[str, str]:
    return {"DATA_DIR": str(data), "WEATHER_PLACES": "Moscow=55.7,37.6;Berlin=52.5,13.4"}


@pytest.fixture(scope="module")
def worker(settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    with Worker(tmp_path_factory.mktemp("worker"), settings) as worker:
        yield worker


@pytest.fixture(scope="module")
def web(settings: dict[str, str], worker: Worker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebFront]:
    with WebFront(tmp_path_factory.mktemp("web"), settings) as web:
        yield web


def photo(width: int = 400, height: int = 300) -> bytes:
    output = BytesIO()
    Image.new("RGB", (width, height), "green").save(output, "JPEG")
    return output.getvalue()


def post_picture(web: WebFront, content: bytes, name: str = "photo.jpg") -> requests.Response:
    return requests.post(f"{web.url}/pictures", files={"file": (name, content)}, timeout=LIMIT)


def ended(web: WebFront, accepted: requests.Response) -> dict[str, Any]:
    """The state of a task that was accepted, when it has ended."""
    assert accepted.status_code == 202, accepted.text

    def state() -> dict[str, Any] | None:
        found: dict[str, Any] = requests.get(web.url + accepted.json()["url"], timeout=LIMIT).json()
        return found if found["state"] in ("SUCCESS", "FAILURE") else None

    found = wait_until(state, LIMIT, "the task has ended")
    assert found is not None
    return found


def test_a_picture_becomes_thumbnails(web: WebFront, data: Path) -> None:
    """They are served under an id of ours, whatever the file was called, and what was sent is kept no longer."""
    accepted = post_picture(web, photo(), "../../../../tmp/evil.jpg")
    task = ended(web, accepted)
    assert (task["state"], task["result"]) == ("SUCCESS", list(SIZES))
    for size in SIZES:
        answer = requests.get(f"{web.url}/pictures/{task['id']}/{size}", timeout=LIMIT)
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/webp")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        with Image.open(BytesIO(answer.content)) as small:
            assert max(small.size) == min(size, 400)
    (folder,) = (data / "pictures").iterdir()
    assert sorted(path.name for path in folder.iterdir()) == sorted(f"{size}.webp" for size in SIZES)


@pytest.mark.parametrize(
    ("content", "status", "sentence"),
    [
        (b"GIF89a", 415, "The file is no picture in one of the formats JPEG, PNG and WebP."),
        (photo(10_000, 5001), 413, "The picture has 10,000 x 5,001 pixels; 50,000,000 are the limit."),
        (photo() + bytes(LARGEST), 413, "The file is too large; 10,000,000 bytes are the limit."),
        (photo() + bytes(2 * LARGEST), 413, "The body may have 11,000,000 bytes at most."),
    ],
    ids=["no picture", "too many pixels", "file too large", "body too large"],
)
def test_what_is_no_picture_is_refused(web: WebFront, data: Path, content: bytes, status: int, sentence: str) -> None:
    """With a sentence, before a worker hears of it, and with nothing kept."""
    before = set((data / "pictures").glob("*"))
    answer = post_picture(web, content)
    assert (answer.status_code, answer.json()["detail"]) == (status, sentence)
    assert set((data / "pictures").glob("*")) == before


def test_a_damaged_picture_fails_with_a_sentence(web: WebFront) -> None:
    """What the beginning of the file promised is not there."""
    task = ended(web, post_picture(web, photo()[:-300]))
    assert task["state"] == "FAILURE"
    assert "The picture is damaged" in task["error"]


def test_a_picture_that_takes_too_long_is_given_up(worker: Worker, settings: dict[str, str], data: Path) -> None:
    """With a sentence, and with nothing kept; here it is given a second, and would take several."""
    output, end = BytesIO(), b"\xff\xd9"
    Image.new("RGB", (5000, 5000)).save(output, "JPEG", progressive=True)
    content = output.getvalue()
    last = content[content.rindex(b"\xff\xda") : content.rindex(end)]
    Pictures(data / "pictures").keep(picture_id := uuid(), BytesIO(content.removesuffix(end) + last * 80 + end))
    with ProjectSetup.installed_app(os.environ | settings) as app:
        task = app.send_task("tasks.pictures.make_thumbnails", (picture_id,), soft_time_limit=1, time_limit=LIMIT)
        with pytest.raises(PictureError, match="was not made into thumbnails within"):
            task.get(timeout=LIMIT)
    assert not (data / "pictures" / picture_id).exists()


@pytest.mark.parametrize("path", ["7" * 36 + "/64", "00000000-0000-0000-0000-000000000000/64", "..%2f..%2fetc/64"])
def test_a_picture_that_is_not_there_is_not_found(web: WebFront, path: str) -> None:
    """No path leads to any other file."""
    assert requests.get(f"{web.url}/pictures/{path}", timeout=LIMIT).status_code in (404, 422)


def test_a_model_is_trained_and_its_score_kept(web: WebFront) -> None:
    """It says how far off it was beside "same as today", and what it expects of tomorrow."""
    task = ended(web, requests.post(f"{web.url}/forecasts", json={"place": "Moscow"}, timeout=LIMIT))
    assert task["state"] == "SUCCESS", task["error"]
    scores = requests.get(f"{web.url}/forecasts", timeout=LIMIT).json()
    assert scores[0] == {"id": task["id"]} | task["result"]
    score = task["result"]
    assert score["is_better"] == (score["model_error"] < score["same_as_today_error"])
    assert score["trained_days"] + score["held_out_days"] >= LEAST_DAYS


def test_a_training_tells_how_far_it_has_come(worker: Worker, settings: dict[str, str]) -> None:
    """Whoever watches Celery's events sees every step."""
    steps: list[tuple[int, int]] = []
    begun: list[str] = []
    with (
        ProjectSetup.installed_app(os.environ | settings) as app,
        app.connection_for_read() as connection,
    ):

        def begin(event: dict[str, Any]) -> None:
            # Those of the embedded broker are heard only when they have been read once.
            if not begun:
                begun.append(app.send_task("tasks.forecast.train", ("Moscow",)).id)

        def note(event: dict[str, Any]) -> None:
            steps.append((event["done"], event["total"]))
            if event["done"] == event["total"]:
                receiver.should_stop = True

        receiver = app.events.Receiver(connection, handlers={"worker-heartbeat": begin, "task-progress": note})
        app.control.enable_events()
        receiver.capture(limit=None, timeout=LIMIT, wakeup=False)
    assert steps == [(done, STEPS) for done in range(1, STEPS + 1)]


def test_a_place_that_cannot_be_forecast_is_told(web: WebFront) -> None:
    """One that is not watched, and one that has no rows yet."""
    unknown = requests.post(f"{web.url}/forecasts", json={"place": "Atlantis"}, timeout=LIMIT)
    assert (unknown.status_code, unknown.json()["detail"]) == (
        404,
        "There is no place 'Atlantis'; there are Moscow, Berlin.",
    )
    task = ended(web, requests.post(f"{web.url}/forecasts", json={"place": "Berlin"}, timeout=LIMIT))
    assert task["state"] == "FAILURE"
    assert "The weather file has no rows of Berlin." in task["error"]


def test_without_rabbitmq_a_celery_worker_makes_the_report(web: WebFront, worker: Worker) -> None:
    """The same endpoint answers the same, and what is too late for whoever asked does not stay."""

    def asked() -> requests.Response | None:
        headers = {"X-Request-ID": "report-1"}
        answer = requests.get(f"{web.url}/reports/Moscow?days=2", headers=headers, timeout=LIMIT)
        return None if answer.status_code in (503, 504) else answer  # on a machine with other things to do

    answer = wait_until(asked, LIMIT, "the report is made")
    assert answer is not None
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/pdf")
    assert b"/Title (Weather of Moscow)" in answer.content
    assert "It belongs to the request report-1." in worker.log()
    nothing = requests.get(f"{web.url}/reports/Berlin", timeout=LIMIT)
    assert nothing.status_code == 404
    assert nothing.json()["detail"].startswith("There are no rows of Berlin from ")


def test_a_report_in_the_result_store_goes_soon(worker: Worker, settings: dict[str, str]) -> None:
    """It is large, and was wanted at once or never."""
    with ProjectSetup.installed_app(os.environ | settings) as app:
        task = app.send_task("tasks.report.make", ("Moscow", 1))
        assert set(task.get(timeout=LIMIT)) == {"pdf"}
        key = app.backend.get_key_for_task(task.id)
        wait_until(lambda: app.backend.client.ttl(key) <= KEEP_RESULT_SECONDS, LIMIT, "the result is to go soon")


def test_without_a_mail_server_no_mail_is_taken(web: WebFront) -> None:
    """With a sentence that names the variable."""
    mail = {"to": "ada@example.org", "subject": "Hello", "body": "Hello."}
    answer = requests.post(f"{web.url}/mails", json=mail, timeout=LIMIT)
    assert answer.status_code == 404
    assert "set SMTP_URL" in answer.json()["detail"]


def test_every_night_a_report_is_kept_and_what_is_old_goes(
    worker: Worker, settings: dict[str, str], data: Path
) -> None:
    """A night that was missed is made good; a second run makes nothing twice; after 30 days a report goes."""
    with ProjectSetup.installed_app(os.environ | settings) as app:

        def run(name: str) -> Any:
            return app.send_task(name).get(timeout=LIMIT)

        made = run("tasks.report.keep_daily")
        assert len(made) == DAYS_TO_MAKE_GOOD
        reports = data / "reports"
        assert sorted(path.name for path in reports.iterdir()) == sorted(made)
        assert all(path.read_bytes().startswith(b"%PDF-") for path in reports.iterdir())
        (reports / made[1]).unlink()
        assert run("tasks.report.keep_daily") == [made[1]]
        old = time.time() - KEEP_SECONDS - 60
        for path in (reports / made[0], data / "weather" / "observations.jsonl", reports / "notes.txt"):
            path.touch()
            os.utime(path, (old, old))
        assert run("tasks.housekeeping.clear_away")["reports"] == 1
    assert sorted(path.name for path in reports.iterdir()) == sorted([*made[1:], "notes.txt"])
    assert (data / "weather" / "observations.jsonl").exists()


def test_beat_knows_what_is_done_every_night() -> None:
    """Once a day each, and not at the same time as anything else."""
    times = {
        entry["task"]: (entry["schedule"].hour, entry["schedule"].minute)
        for entry in project_app.conf.beat_schedule.values()
        if entry["task"] in ("tasks.report.keep_daily", "tasks.housekeeping.clear_away")
    }
    assert times == {"tasks.report.keep_daily": ({0}, {35}), "tasks.housekeeping.clear_away": ({3}, {50})}
