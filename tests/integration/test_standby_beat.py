"""Two beats: each slot is sent once, whichever of them is killed, and whatever is away meanwhile."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from app import beat
from app.beat import RETRY_SECONDS, SENDING_SECONDS, Scheduler, SharedScheduler
from app.celery import create_app
from app.queues import DEFAULT_QUEUE
from app.settings import read_settings
from beat_schedule import BEAT_SCHEDULE
from tests.services import embedded
from tests.services.celery import Beat
from tests.services.rabbitmq import VirtualHost
from tests.services.valkey import Valkey
from tests.waiting import wait_until

LIMIT = 30
HOUR = 3600.0
SLOT = {"task": "tasks.arithmetic.add", "schedule": HOUR, "args": (1, 1)}


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """A broker that tests may kill."""
    with Valkey(tmp_path_factory.mktemp("broker"), append_only=True) as server:
        yield server


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """A result store that tests may kill."""
    with Valkey(tmp_path_factory.mktemp("store"), append_only=True) as server:
        yield server


Schedulers = Callable[[], SharedScheduler]


@pytest.fixture
def scheduler(broker: Valkey, store: Valkey) -> Iterator[Schedulers]:
    """Makes beats' schedulers with one entry, which is due in an hour."""
    apps: list[Celery] = []

    def make() -> SharedScheduler:
        apps.append(application(broker.url, store.url))
        return SharedScheduler(apps[-1])

    with store.client() as results, broker.client() as messages:
        yield make
        for app in apps:
            app.redbeat_redis.close()  # type: ignore[attr-defined]
            app.backend.client.close()
            app.close()
        results.flushall()
        messages.flushall()


def application(broker_url: str, result_backend: str) -> Celery:
    app = create_app(read_settings({"CELERY_BROKER_URL": broker_url, "CELERY_RESULT_BACKEND": result_backend}))
    app.conf.beat_schedule = {"slot": SLOT}
    return app


def make_due(scheduler: SharedScheduler) -> None:
    """Have the entry's slot come, once."""
    scheduler.tick()
    entry = scheduler.Entry.from_key(f"{beat.PREFIX}slot", app=scheduler.app)
    entry.reschedule(entry.last_run_at - entry.schedule.run_every)


def sent(broker: Valkey) -> int:
    """How many messages there are."""
    with broker.client() as client:
        return client.llen(DEFAULT_QUEUE)


def test_a_slot_is_sent_once_and_the_next_one_waits(scheduler: Schedulers, broker: Valkey) -> None:
    """A new entry is not due before its first slot."""
    first, second = scheduler(), scheduler()
    assert 0 < first.tick() <= beat.LOOP_SECONDS
    assert sent(broker) == 0
    make_due(first)
    for each in (first, second, first, second):
        each.tick()
    assert sent(broker) == 1


def test_of_many_beats_at_the_same_moment_one_sends(scheduler: Schedulers, broker: Valkey) -> None:
    """Ten slots, four beats."""
    beats = [scheduler() for _ in range(4)]
    for number in range(10):
        make_due(beats[0])
        together = threading.Barrier(len(beats))

        def tick(each: SharedScheduler, together: threading.Barrier = together) -> None:
            together.wait(LIMIT)
            each.tick()

        threads = [threading.Thread(target=tick, args=(each,)) for each in beats]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LIMIT)
        assert sent(broker) == number + 1


def test_a_slot_while_the_broker_is_away_is_sent_late_and_once(
    scheduler: Schedulers, broker: Valkey, caplog: pytest.LogCaptureFixture
) -> None:
    """It stays due for as long as that takes, and ends no beat."""
    first, second = scheduler(), scheduler()
    make_due(first)
    broker.kill()
    for each in (first, second, first):
        assert each.tick() == RETRY_SECONDS
    assert "slot is not sent yet (The broker at" in caplog.text
    broker.start()
    for each in (second, first, second):
        each.tick()
    assert sent(broker) == 1


def test_a_store_that_is_away_ends_no_beat(scheduler: Schedulers, broker: Valkey, store: Valkey) -> None:
    """Also when it is away at the start; the slot is sent when it is back."""
    first = scheduler()
    make_due(first)
    store.kill()
    assert first.tick() == RETRY_SECONDS
    assert scheduler().tick() == RETRY_SECONDS
    store.start()
    first.tick()
    assert sent(broker) == 1


def test_a_store_that_is_lost_while_a_slot_is_sent_does_not_double_it(
    scheduler: Schedulers, broker: Valkey, store: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The beat remembers what it has sent until it can note it."""
    first = scheduler()
    make_due(first)
    send = first._send

    def send_and_lose_the_store(entry: Any) -> None:
        send(entry)
        store.kill()

    monkeypatch.setattr(first, "_send", send_and_lose_the_store)
    assert first.tick() == RETRY_SECONDS
    monkeypatch.undo()
    store.start()
    with store.client() as client:
        client.delete(f"{beat.PREFIX}sending:slot")  # as it is after SENDING_SECONDS
    first.tick()
    scheduler().tick()
    assert sent(broker) == 1


def test_an_emptied_store_gets_its_schedule_again(scheduler: Schedulers, broker: Valkey, store: Valkey) -> None:
    """Otherwise beat would send nothing any more, and say nothing."""
    first = scheduler()
    first.tick()
    with store.client() as client:
        client.flushall()
    make_due(first)
    first.tick()
    assert sent(broker) == 1


def test_what_a_killed_beat_was_sending_is_sent_by_the_other(
    scheduler: Schedulers, broker: Valkey, store: Valkey
) -> None:
    """After a stated time; until then the slot is left to the beat that has begun to send it."""
    first = scheduler()
    make_due(first)
    key = f"{beat.PREFIX}sending:slot"
    with store.client() as client:
        client.set(key, "another beat", px=SENDING_SECONDS * 1000)
        assert first.tick() == RETRY_SECONDS
        assert sent(broker) == 0
        client.pexpire(key, 1)
        wait_until(lambda: not client.exists(key), LIMIT, "its time is over")
    first.tick()
    assert sent(broker) == 1


def test_a_lock_that_is_lost_ends_no_beat(
    scheduler: Schedulers, broker: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when sending took longer than its time."""
    monkeypatch.setattr(beat, "SENDING_SECONDS", 0.001)
    first = scheduler()
    make_due(first)
    first.tick()
    assert sent(broker) == 1


def test_what_is_no_longer_in_the_schedule_goes_from_the_store(scheduler: Schedulers, store: Valkey) -> None:
    """With its entry, at the next start of a beat."""
    first = scheduler()
    first.app.conf.beat_schedule = {"slot": SLOT, "old": SLOT}
    first.tick()
    with store.client() as client:
        assert client.exists(f"{beat.PREFIX}old")
        scheduler().tick()
        assert set(client.keys(f"{beat.PREFIX}*")) == {
            f"{beat.PREFIX}{name}" for name in (":schedule", ":statics", "slot")
        }


def test_over_rabbitmq_a_slot_is_sent_once_too(vhost: VirtualHost, store: Valkey) -> None:
    """Confirmed, and to a queue that its first message declares."""
    app = application(vhost.url, store.url)
    with closing(app), store.client() as client:
        first = SharedScheduler(app)
        make_due(first)
        first.tick()
        first.tick()
        wait_until(lambda: vhost.message_count(DEFAULT_QUEUE) == 1, LIMIT, "it has arrived")
        first.app.redbeat_redis.close()
        app.backend.client.close()
        client.flushall()


def test_without_a_result_store_a_slot_waits_for_the_broker_as_well(
    broker: Valkey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Beat that keeps its schedule in a file sends it late, once."""
    monkeypatch.setattr(beat, "RETRY_SECONDS", 0.05)
    app = application(broker.url, broker.url)
    app.conf.task_publish_retry_policy = {"max_retries": 0}
    app.conf.beat_schedule = {"slot": SLOT | {"schedule": 0.001, "options": {"ignore_result": True}}}
    with closing(app), caplog.at_level(logging.ERROR):
        scheduler = Scheduler(app, schedule_filename=str(tmp_path / "schedule"))
        scheduler.producer  # noqa: B018 - connects, as beat does before it sends
        broker.kill()
        sending = threading.Thread(target=lambda: scheduler.apply_async(scheduler.schedule["slot"], scheduler.producer))
        sending.start()
        wait_until(lambda: "slot is not sent yet" in caplog.text, LIMIT, "it has failed once")
        broker.start()
        sending.join(LIMIT)
        assert sent(broker) == 1
        scheduler.close()
    with broker.client() as client:
        client.flushall()


@pytest.mark.timeout(90)
def test_two_beats_of_one_machine_send_each_slot_once_and_one_goes_on_without_the_other(tmp_path: Path) -> None:
    """On the embedded broker, with all entries due each second: both answer, and share the slots."""
    data, entries = tmp_path / "data", len(BEAT_SCHEDULE)
    with ExitStack() as stack:
        first, second = (stack.enter_context(short_beat(tmp_path, name, data)) for name in ("beat-1", "beat-2"))
        client = stack.enter_context(embedded.client(data))
        assert first.answers(LIMIT)
        assert second.answers(LIMIT)
        for end in (lambda: None, first.kill):
            end()
            started, before = time.monotonic(), client.llen(DEFAULT_QUEUE)
            wait_until(lambda before=before: client.llen(DEFAULT_QUEUE) >= before + 4 * entries, LIMIT, "4 s went by")
            assert client.llen(DEFAULT_QUEUE) - before <= entries * (time.monotonic() - started + 1)
        assert "Traceback" not in first.log() + second.log()


def short_beat(tmp_path: Path, name: str, data: Path) -> Beat:
    program = Beat(tmp_path / name, {"DATA_DIR": str(data)}, arguments=("--hostname", f"{name}@here"))
    program.command[program.command.index("-A") + 1] = "tests.acceptance.short_periods"
    program.hostname = f"{name}@here"
    return program
