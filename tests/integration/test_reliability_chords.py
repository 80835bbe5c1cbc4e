"""Chords whose processes die, or whose result store goes away, at the worst moments: every one of them ends."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from celery import Celery, chord, group
from celery.canvas import Signature
from celery.exceptions import ChordError

from app.results import chords, watchdog
from app.results.watchdog import settle_stopped_chords
from tasks.arithmetic import add, xsum
from tasks.long_running import count
from tests.services.celery import Worker
from tests.services.dying_app import POINTS
from tests.services.rabbitmq import VirtualHost
from tests.services.setup import ProjectSetup
from tests.services.valkey import Valkey
from tests.waiting import wait_until

LIMIT = 40


class DyingWorker(Worker):
    """A worker with two processes, one of which dies once."""

    application = "tests.services.dying_app"


@pytest.fixture(autouse=True)
def hasty_watchdog(monkeypatch: pytest.MonkeyPatch) -> None:
    """It looks at chords at once."""
    monkeypatch.setattr(watchdog, "LEAST_AGE", 0.0)


def simple_chord() -> Signature[Any]:
    """Three parts and a body: 6."""
    return chord([add.s(i, i) for i in range(3)], xsum.s())


def nested_groups() -> Signature[Any]:
    """A group in the header, for which Celery stores the shape of the results: 6 again."""
    return chord(group(add.s(0, 0), group(add.s(1, 1), add.s(2, 2))), xsum.s())


def lazy_chord() -> Signature[Any]:
    """A header from a generator, whose tasks nobody knows before they are sent: 6 too."""
    return chord((add.s(i, i) for i in range(3)), xsum.s())


@pytest.mark.timeout(90)
@pytest.mark.parametrize(
    ("build", "point"),
    [*((simple_chord, point) for point in POINTS), (nested_groups, "after-claim"), (lazy_chord, "after-claim")],
)
def test_a_chord_ends_wherever_a_process_dies(
    app: Celery, settings: dict[str, str], tmp_path: Path, build: Callable[[], Signature[Any]], point: str
) -> None:
    """The body gets all results; Celery alone would leave it waiting for ever after most of these."""
    died = tmp_path / point
    environment = settings | {"DIES_AT": point, "DIED_FOLDER": str(tmp_path)}
    with DyingWorker(tmp_path / "worker", environment):
        result = build().apply_async()
        wait_until(died.exists, LIMIT, f"a process has died at {point}")

        def ended() -> bool:
            settle_stopped_chords(app)
            return bool(result.ready())

        wait_until(ended, LIMIT, "the chord has ended")
        assert result.get(timeout=LIMIT) == 6
        wait_until(lambda: settle_stopped_chords(app) or not remembered(app), LIMIT, "the chord has been forgotten")


@pytest.mark.timeout(90)
def test_a_chord_ends_though_the_store_was_away(vhost: VirtualHost, tmp_path: Path) -> None:
    """The store is killed while 200 parts run; each of them counts once when it is back."""
    with Valkey(tmp_path / "valkey", append_only=True) as server:
        settings = {"CELERY_BROKER_URL": vhost.url, "CELERY_RESULT_BACKEND": server.url, "DATA_DIR": str(tmp_path)}
        worker = Worker(tmp_path / "worker", settings, pool="threads", concurrency=4)
        with ProjectSetup.installed_app(os.environ | settings), worker:
            result = chord([count.s(1, 0.1) for _ in range(200)], xsum.s()).apply_async()
            wait_until(lambda: worker.log().count("succeeded") > 5, LIMIT, "some parts are done")
            server.kill()
            wait_until(lambda: "does not answer" in worker.log(), LIMIT, "the worker has noticed")
            server.start()
            assert result.get(timeout=LIMIT) == 200


def test_a_chord_whose_sender_died_fails_with_the_reason(app: Celery, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody knows how many parts it was to have: who waits for its body is told so."""
    body = xsum.s()
    body.freeze("body-of-a-dead-sender")
    app.backend.apply_chord(("half-sent", [add.s(1, 1).freeze("sent"), add.s(1, 1).freeze("not-sent")]), body)
    assert settle_stopped_chords(app) == []
    monkeypatch.setattr(watchdog, "SENDING_LIMIT", 0.0)
    assert settle_stopped_chords(app) == [
        "Chord half-sent has been failed: the process that sent the chord ended before it had sent all its parts."
    ]
    with pytest.raises(ChordError, match="ended before it had sent all its parts"):
        app.AsyncResult("body-of-a-dead-sender").get(timeout=LIMIT)
    assert not remembered(app)


def test_a_part_that_ended_uncounted_is_counted(app: Celery) -> None:
    """As when somebody settles a lost task by hand: its failure reaches the body."""
    body = xsum.s()
    body.freeze("body-of-settled")
    app.backend.apply_chord(("settled", [add.s(1, 1).freeze("part-a"), add.s(1, 1).freeze("part-b")]), body)
    app.backend.set_chord_size("settled", 2)
    app.backend.store_result("part-a", 2, "SUCCESS")
    assert settle_stopped_chords(app) == ["Chord settled had 1 parts that were done and not counted."]
    app.backend.store_result("part-b", RuntimeError("lost"), "FAILURE")
    settle_stopped_chords(app)
    with pytest.raises(ChordError, match="lost"):
        app.AsyncResult("body-of-settled").get(timeout=LIMIT)


def test_a_chord_without_a_body_is_counted_and_not_watched(app: Celery) -> None:
    """Celery allows one: nothing follows when its parts have ended."""
    app.backend.apply_chord(("no-body", app.GroupResult("no-body", [app.AsyncResult("part")]).results), None)
    assert remembered(app) == 0


def test_a_chord_that_runs_is_left_alone(app: Celery) -> None:
    """The watchdog says nothing of it and changes nothing, however often it looks."""
    result = simple_chord().apply_async()
    for _ in range(3):
        assert settle_stopped_chords(app) == []
    assert not result.ready()
    assert remembered(app) == 1


def remembered(app: Celery) -> int:
    """How many chords the store remembers."""
    return len(chords.unfinished(app.backend, 0.0))
