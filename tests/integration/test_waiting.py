"""Who waits for results listens for those and no others, and reads many of them at once."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any
from uuid import uuid4

import pytest
from celery import Celery, chain, chord, group
from celery.backends import asynchronous
from celery.exceptions import ChordError
from celery.exceptions import TimeoutError as ResultTimeoutError
from celery.result import AsyncResult
from kombu.exceptions import DecodeError
from redis.client import PubSub
from redis.exceptions import ConnectionError as RedisConnectionError

from app.results import listening, waiting
from app.results.listening import Listener
from app.results.waiting import GroupResult
from tasks.arithmetic import add, xsum
from tasks.failing import broken_task
from tests.services.celery import Worker
from tests.waiting import wait_until

LIMIT = 30
PARTS = 60


def _id() -> str:
    return str(uuid4())


def _stored(app: Celery, task_id: str, value: int) -> AsyncResult:
    """The result of a task, as a worker stores it."""
    app.backend.store_result(task_id, value, "SUCCESS")
    return app.AsyncResult(task_id)


def _reconnecting(listener: Listener, drain: Callable[..., Any], *arguments: Any) -> Any:
    with listener.reconnect_on_error():
        return drain(*arguments)


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


def test_what_nobody_can_read_is_told_to_who_waits_for_it_and_to_nobody_else(app: Celery) -> None:
    """Another application may have stored it, in a format of its own."""
    unreadable = app.AsyncResult(_id())
    app.backend.client.set(app.backend.get_key_for_task(unreadable.id), b"\x80\x04")
    unreadable.then(print)
    for value in range(2):
        assert _stored(app, _id(), value).get(timeout=LIMIT) == value
    with pytest.raises(DecodeError):
        unreadable.get(timeout=LIMIT)


def test_who_asks_while_another_thread_reads_for_one_that_gave_up_is_listened_for(
    app: Celery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wish of the one that gave up ends, not that of the one that came after it."""
    task_id, backend, listener = _id(), app.backend, app.backend.result_consumer
    read, is_reading, go_on = backend.ready_results, Event(), Event()

    def reading(*arguments: Any, **options: Any) -> Any:
        if not is_reading.is_set():
            is_reading.set()
            assert go_on.wait(LIMIT)
        return read(*arguments, **options)

    monkeypatch.setattr(backend, "ready_results", reading)
    gives_up, other = app.AsyncResult(task_id), app.AsyncResult(_id())
    gives_up.then(print, weak=True)
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(other.get, timeout=LIMIT)
        assert is_reading.wait(LIMIT)
        del gives_up
        wait_until(lambda: backend.get_key_for_task(task_id) not in listener.subscribed_to, LIMIT, "it is given up")
        asks = app.AsyncResult(task_id)
        backend.add_pending_result(asks)
        go_on.set()
        wait_until(lambda: backend.get_key_for_task(task_id) in listener.subscribed_to, LIMIT, "somebody listens again")
        _stored(app, other.id, 1)
        assert first.result() == 1
    _stored(app, task_id, 2)
    assert asks.get(timeout=LIMIT) == 2


def test_what_threads_have_waited_for_at_once_is_kept_for_nobody(app: Celery) -> None:
    """A result is in the store for who comes later; a copy of each in memory is one too many."""
    with ThreadPoolExecutor(8) as threads:
        for _ in range(20):
            results = [_stored(app, _id(), value) for value in range(8)]
            assert [*threads.map(lambda result: result.get(timeout=LIMIT), results)] == [*range(8)]
    assert app.backend._pending_messages.total == 0
    assert app.backend.result_consumer.subscribed_to == set()


def test_a_callback_that_does_not_hold_its_result_is_called_too(app: Celery) -> None:
    """While somebody waits for another, as any other callback."""
    called: list[int] = []
    result = app.AsyncResult(_id())
    result.then(lambda result: called.append(result.result), weak=True)
    _stored(app, result.id, 1)
    _stored(app, _id(), 2).get(timeout=LIMIT)
    assert called == [1]


def test_who_is_interrupted_while_it_begins_to_listen_can_wait_again(
    app: Celery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C, then once more: what was not sent is not taken for sent, whether it was the first time or a new one."""
    listener = app.backend.result_consumer
    subscribe = PubSub.subscribe
    interrupted: list[int] = []

    def interrupting(pubsub: PubSub, *keys: Any) -> Any:
        if len(interrupted) < 2:
            interrupted.append(1)
            raise KeyboardInterrupt
        return subscribe(pubsub, *keys)

    monkeypatch.setattr(PubSub, "subscribe", interrupting)
    result = app.AsyncResult(_id())
    with pytest.raises(KeyboardInterrupt):
        result.get(timeout=LIMIT)
    with pytest.raises(KeyboardInterrupt):
        listener._reconnect()
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(result.get, timeout=LIMIT)
        wait_until(lambda: app.backend.client.pubsub_channels("celery-task-meta-*"), LIMIT, "it listens")
        _stored(app, result.id, 1)
        assert waiting.result() == 1


def test_who_waits_goes_on_after_another_was_told_that_the_store_is_away(
    app: Celery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They have one connection; what was stored before there is a new one is read."""
    listener, is_away = app.backend.result_consumer, Event()
    drain, reconnect = listener._drain_one, listener._reconnect_pubsub

    def draining(*arguments: Any) -> Any:
        if is_away.is_set():
            raise RedisConnectionError
        return drain(*arguments)

    def reconnecting() -> None:
        listener._pubsub = None  # as Celery begins
        if is_away.is_set():
            is_away.clear()
            raise RedisConnectionError
        reconnect()

    monkeypatch.setattr(listener, "_ensure", lambda function, arguments: function(*arguments))
    monkeypatch.setattr(listener, "_drain_one", lambda *a: _reconnecting(listener, draining, *a))
    monkeypatch.setattr(listener, "_reconnect_pubsub", reconnecting)
    results = [app.AsyncResult(_id()) for _ in range(2)]
    with ThreadPoolExecutor(2) as threads:
        waiting = [threads.submit(result.get, timeout=LIMIT) for result in results]
        wait_until(lambda: len(listener.subscribed_to) == 2, LIMIT, "both listen")
        is_away.set()
        wait_until(lambda: any(each.done() for each in waiting), LIMIT, "one of them is told")
        for value, result in enumerate(results):
            _stored(app, result.id, value)
        assert sorted(str(each.exception()).strip()[:11] for each in waiting) == ["None", "Retry limit"]


def test_what_is_stored_while_a_lost_connection_is_made_anew_is_read(
    app: Celery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Celery looks what is there, and listens then: nobody was told of what came in between."""
    client, result = app.backend.client, app.AsyncResult(_id())
    look, was_lost = client.mget, Event()

    def look_too_early(keys: Any) -> Any:
        seen = look(keys)
        if was_lost.is_set():
            was_lost.clear()
            _stored(app, result.id, 1)
        return seen

    monkeypatch.setattr(listening, "LOOKING_INTERVAL", 2 * LIMIT)
    monkeypatch.setattr(client, "mget", look_too_early)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(result.get, timeout=LIMIT)
        wait_until(lambda: client.pubsub_channels("celery-task-meta-*"), LIMIT, "it listens")
        was_lost.set()
        client.client_kill_filter(_type="pubsub")
        assert waiting.result() == 1


def test_a_result_that_nobody_was_told_of_is_found(app: Celery, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection can be dead without an end that says so: who waits looks now and then."""
    listener, channels = app.backend.result_consumer, partial(app.backend.client.pubsub_channels, "celery-task-meta-*")
    monkeypatch.setattr(listening, "LOOKING_INTERVAL", 0.1)
    result = app.AsyncResult(_id())
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(result.get, timeout=LIMIT)
        wait_until(channels, LIMIT, "it listens")
        with listener._locked():
            listener._pubsub.unsubscribe(*channels())
        wait_until(lambda: not channels(), LIMIT, "it is told nothing more")
        _stored(app, result.id, 1)
        assert waiting.result() == 1


def test_what_celery_itself_listens_for_is_kept(app: Celery) -> None:
    """Celery's own tests begin to listen for a task of which there is no result object, and so may others."""
    listener, task_id = app.backend.result_consumer, _id()
    listener.start(task_id)
    listener.drain_events(timeout=0.1)
    assert listener.subscribed_to == {app.backend.get_key_for_task(task_id)}


def test_a_group_that_another_thread_has_sent_can_be_waited_for(app: Celery) -> None:
    """Each thread has its own connection to the store; that of the sender knows the parts."""
    parts = [app.AsyncResult(_id()) for _ in range(3)]
    sent = app.GroupResult(_id(), parts)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(sent.get, timeout=LIMIT)
        for value, part in enumerate(parts):
            _stored(app, part.id, value)
        assert waiting.result() == [0, 1, 2]
        again = app.GroupResult(_id(), [app.AsyncResult(part.id) for part in parts])
        assert threads.submit(again.get, timeout=LIMIT).result() == [0, 1, 2]


def test_an_earlier_task_that_failed_with_a_timeout_is_not_taken_for_a_wait_that_is_over(app: Celery) -> None:
    """Its own words are told."""
    parent = app.AsyncResult(_id())
    body, listener = app.AsyncResult(_id(), parent=parent), app.backend.result_consumer
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(body.get, timeout=LIMIT)
        wait_until(lambda: app.backend.get_key_for_task(body.id) in listener.subscribed_to, LIMIT, "it waits")
        app.backend.store_result(parent.id, TimeoutError("the service did not answer"), "FAILURE")
        with pytest.raises(TimeoutError, match="did not answer"):
            waiting.result()


def test_an_earlier_task_that_failed_while_its_waiter_began_to_listen_is_told(app: Celery) -> None:
    """Its own error, not that of the later task, which was there before anybody listened."""
    parent = app.AsyncResult(_id())
    body, listener = app.AsyncResult(_id(), parent=parent), app.backend.result_consumer
    listen = listener.on_wait_for_pending

    def fail_and_listen(*arguments: Any, **options: Any) -> None:
        app.backend.store_result(parent.id, KeyError("place"), "FAILURE")
        app.backend.store_result(body.id, ChordError("a part failed"), "FAILURE")
        listen(*arguments, **options)

    listener.on_wait_for_pending = fail_and_listen
    with pytest.raises(KeyError, match="place"):
        body.get(timeout=LIMIT)


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
        patched.setattr(app.backend, "ready_results", lambda *_, **__: 1 / 0)
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
