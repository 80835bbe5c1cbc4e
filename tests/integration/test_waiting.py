"""Who waits for results listens for those and no others, and reads many of them at once."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from celery import Celery, chain, chord, group
from celery.backends import asynchronous
from celery.exceptions import TimeoutError as ResultTimeoutError

from app.results import waiting
from app.results.waiting import GroupResult
from tasks.arithmetic import add, xsum
from tasks.failing import broken_task
from tests.services.celery import Worker
from tests.waiting import wait_until

LIMIT = 30
PARTS = 60


@pytest.fixture
def worker(app: Celery, settings: dict[str, str], tmp_path: Path) -> Iterator[Worker]:
    """A worker for the application of the test."""
    with Worker(tmp_path / "worker", settings, pool="threads", concurrency=4) as worker:
        yield worker


@pytest.fixture
def never_one_by_one(app: Celery, monkeypatch: pytest.MonkeyPatch) -> None:
    """Celery's own reading of many results, which sleeps when one is missing, is not to be used."""

    def fail(*_: Any, **__: Any) -> Any:
        raise AssertionError("results are read by Celery's own get_many")

    monkeypatch.setattr(app.backend, "get_many", fail)


def test_a_group_that_nobody_waits_for_is_not_listened_for(app: Celery) -> None:
    """To send it takes no command to the result store for each part."""
    result = group(add.s(i, i) for i in range(PARTS)).apply_async()
    assert app.backend.result_consumer.subscribed_to == set()
    assert len(result) == PARTS


@pytest.mark.usefixtures("worker", "never_one_by_one")
def test_a_group_gives_its_results_in_order() -> None:
    """Those that were there before anybody waited, and those that come later."""
    sent = group(add.s(i, i) for i in range(PARTS)).apply_async()
    assert sent.results[0].get(timeout=LIMIT) == 0
    assert sent.get(timeout=LIMIT) == [i + i for i in range(PARTS)]


@pytest.mark.usefixtures("worker")
def test_nobody_sleeps_while_results_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """Celery's own listener does after each of them; for a short task that is a twentieth of the time."""

    def fail(seconds: float) -> None:
        raise AssertionError(f"Celery sleeps for {seconds:g} s")

    monkeypatch.setattr(asynchronous, "sleep", fail)
    assert add.delay(1, 1).get(timeout=LIMIT) == 2
    assert group(add.s(i, i) for i in range(PARTS)).apply_async().get(timeout=LIMIT)[-1] == 2 * (PARTS - 1)


@pytest.mark.usefixtures("worker")
def test_threads_that_begin_to_wait_at_once_each_get_their_result(app: Celery, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one has just begun to listen for is not taken by the other for something that nobody waits for any more."""
    listener = app.backend.result_consumer
    subscribe, locked = listener._subscribe, listener._locked
    sent = [add.apply_async((i, i), countdown=2) for i in range(2)]
    has_looked, second = Event(), []

    def looking() -> Any:
        has_looked.set()
        return locked()

    def subscribing_second(keys: set[Any]) -> None:
        wait_until(lambda: sent[0].id not in listener._waited_for, LIMIT, "the first thread listens")
        subscribe(keys)

    def subscribing_first(keys: set[Any]) -> None:
        monkeypatch.setattr(listener, "_subscribe", subscribing_second)
        monkeypatch.setattr(listener, "_locked", looking)
        second.append(threads.submit(sent[1].get, timeout=LIMIT))
        assert has_looked.wait(LIMIT)
        subscribe(keys)

    monkeypatch.setattr(listener, "_subscribe", subscribing_first)
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(sent[0].get, timeout=LIMIT / 2)
        assert first.result() == 0
        assert second[0].result() == 2


def test_a_subscription_that_is_wanted_again_before_it_has_ended_goes_on(app: Celery) -> None:
    """It ends when the connection is free; whoever begins to wait meanwhile would wait for ever."""
    listener, channels = app.backend.result_consumer, partial(app.backend.client.pubsub_channels, "celery-task-meta-*")
    wanted, other = (app.backend.get_key_for_task(task_id) for task_id in ("wanted", "other"))
    with listener._locked():
        listener._subscribe({wanted, other})
        listener.cancel_for("wanted")
        listener._subscribe({wanted})
    listener.cancel_for("other")
    wait_until(lambda: channels() == [wanted], LIMIT, "the other subscription has ended, and that one has not")


@pytest.mark.usefixtures("worker")
def test_who_gives_up_waiting_is_told_by_celerys_own_exception() -> None:
    """And can wait for the same result again."""
    sent = add.apply_async((1, 1), countdown=4)
    with pytest.raises(ResultTimeoutError):
        sent.get(timeout=0.1)
    assert sent.get(timeout=LIMIT) == 2


@pytest.mark.usefixtures("worker", "never_one_by_one")
def test_groups_in_a_group_give_theirs_too() -> None:
    """Only their tasks have results that one can listen for."""
    sent = group(chain(add.s(1, 1), group(add.s(2), add.s(3))), add.s(3, 3)).apply_async()
    assert isinstance(sent.results[0], GroupResult)
    assert sent.get(timeout=LIMIT) == [[4, 5], 6]


@pytest.mark.usefixtures("worker")
def test_a_store_that_fails_while_it_is_read_makes_nobody_wait_for_ever(
    app: Celery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waits again gets what was stored before the first attempt."""
    sent = group(chain(add.s(1, 1), group(add.s(2), add.s(3))), add.s(3, 3)).apply_async()
    wait_until(lambda: len(app.backend.client.keys("celery-task-meta-*")) == 4, LIMIT, "all results are stored")
    with monkeypatch.context() as patched:
        patched.setattr(app.backend, "ready_results", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            sent.get(timeout=LIMIT)
    assert sent.get(timeout=LIMIT) == [[4, 5], 6]


@pytest.mark.usefixtures("worker", "never_one_by_one")
def test_who_waits_for_a_chord_does_not_listen_for_its_header(app: Celery, monkeypatch: pytest.MonkeyPatch) -> None:
    """Celery alone would look at every part of the header again whenever one of them has ended."""
    looks, most = [], [0]
    throw, drain = GroupResult.maybe_throw, app.backend.result_consumer.drain_events
    monkeypatch.setattr(GroupResult, "maybe_throw", lambda *a, **o: (looks.append(1), throw(*a, **o)))

    def watching(*arguments: Any, **options: Any) -> Any:
        drain(*arguments, **options)
        most[0] = max(most[0], len(app.backend.result_consumer.subscribed_to))

    monkeypatch.setattr(app.backend.result_consumer, "drain_events", watching)
    result = chord([add.s(i, i) for i in range(PARTS)], xsum.s()).apply_async()
    assert result.get(timeout=LIMIT) == PARTS * (PARTS - 1)
    assert most[0] <= 1
    assert 1 <= len(looks) < PARTS


@pytest.mark.usefixtures("worker")
def test_the_error_of_an_earlier_task_reaches_who_waits_for_a_later_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The later one never runs, in a chain or as the body of a chord; it is not the body's own ChordError."""
    monkeypatch.setattr(waiting, "LOOKING_SHARE", 1e-9)  # nobody looks but at the beginning and at the end
    with pytest.raises(RuntimeError, match="failed"):
        chain(broken_task.s(), add.si(1, 1)).apply_async().get(timeout=LIMIT)
    with pytest.raises(RuntimeError, match="failed"):
        chord([broken_task.s().set(countdown=1), add.s(1, 1)], xsum.s()).apply_async().get(timeout=LIMIT)


@pytest.mark.usefixtures("worker")
def test_a_callback_on_a_result_is_called_while_somebody_waits_for_another() -> None:
    """As Celery has it: `then` is answered by whoever takes in results."""
    called: list[Any] = []
    alone, sent = add.delay(1, 1), group(add.s(2, 2), add.s(3, 3)).apply_async()
    wait_until(lambda: alone.ready() and add.AsyncResult(sent.results[0].id).ready(), LIMIT, "results are stored")
    later = group(chain(add.s(1, 1), group(add.s(2), add.s(3))), add.s(5, 5)).apply_async()
    for result in (add.AsyncResult(alone.id), sent.results[0]):
        result.then(lambda result: called.append(result.result))
    later.then(lambda result: called.append(result.get()))
    wait_until(lambda: add.delay(0, 0).get(timeout=LIMIT) == 0 and len(called) == 3, LIMIT, "all have been called")
    assert sorted(map(str, called)) == ["2", "4", "[[4, 5], 10]"]


def test_who_waits_looks_at_earlier_tasks_for_a_tenth_of_the_time(app: Celery, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look at the header of a large chord takes long, and Celery asks for one with each message."""
    clock, looks = [0.0], []

    class SlowParent:
        parent = None

        def maybe_throw(self) -> None:
            looks.append(clock[0])
            clock[0] += 0.5

    monkeypatch.setattr(waiting, "monotonic", lambda: clock[0])
    result = app.AsyncResult("body", parent=SlowParent())
    while clock[0] < 20:
        result._maybe_reraise_parent_error()
        clock[0] += 0.01
    assert 3 <= len(looks) <= 5
