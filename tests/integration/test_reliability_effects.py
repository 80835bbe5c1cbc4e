"""Effects that are taken once, however often the task that takes them runs."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import uuid

from app.idempotency import MARK_PREFIX, once
from tests.services.celery import Worker
from tests.services.rabbitmq import VirtualHost
from tests.services.setup import ProjectSetup
from tests.services.valkey import Valkey
from tests.waiting import wait_until

LIMIT = 40


class DeadlyWorker(Worker):
    """A worker with tasks that kill the process which runs them."""

    application = "tests.services.deadly_app"


@pytest.fixture
def store(valkey: Valkey) -> Iterator["redis.Redis[str]"]:
    with valkey.client() as client:
        yield client
        client.flushdb()


def test_an_effect_is_taken_once_for_each_key(store: Any) -> None:
    """The second call says that it was taken before."""
    assert [once(store, key, lambda effect: effect.incr("n")) for key in ("a", "a", "b")] == [True, False, True]
    assert store.get("n") == "2"


def test_many_at_once_take_it_once(store: Any) -> None:
    """Whoever comes second sees what the first has written."""
    taken: list[bool] = []
    together = threading.Barrier(8)

    def take() -> None:
        together.wait(LIMIT)
        taken.append(once(store, "key", lambda effect: effect.incr("n")))

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT)
    assert sorted(taken) == [False] * 7 + [True]
    assert store.get("n") == "1"


def test_an_effect_that_fails_has_written_nothing_and_may_be_tried_again(store: Any) -> None:
    """The mark comes with the effect or not at all."""

    def half(effect: Any) -> None:
        effect.incr("n")
        raise ValueError("half way")

    with pytest.raises(ValueError, match="half way"):
        once(store, "key", half)
    assert store.keys() == []
    assert once(store, "key", lambda effect: effect.incr("n"))


def test_a_mark_expires(store: Any) -> None:
    """The store does not grow for ever."""
    once(store, "key", lambda effect: effect.incr("n"), keep_seconds=60)
    assert 0 < store.ttl(MARK_PREFIX + "key") <= 60


@pytest.mark.parametrize("pool", ["prefork", "solo"])
def test_a_worker_killed_between_effect_and_acknowledgement_does_not_double_it(
    vhost: VirtualHost, valkey: Valkey, tmp_path: Path, pool: str
) -> None:
    """The task runs again, in the next process or the next worker, and finds that its effect has been taken."""
    runs = tmp_path / "runs"
    settings = {"CELERY_BROKER_URL": vhost.url, "CELERY_RESULT_BACKEND": valkey.url, "DATA_DIR": str(tmp_path)}
    with (
        ProjectSetup.installed_app(os.environ | settings) as app,
        DeadlyWorker(tmp_path / "worker", settings | {"RUNS": str(runs)}, pool=pool) as worker,
    ):
        name = "tests.services.deadly_app.deposit_and_kill_this_process"
        result = app.send_task(name, (uuid(), uuid()))
        wait_until(runs.exists, LIMIT, "the task has run and died")
        if pool == "solo":
            wait_until(lambda: not worker.is_running, LIMIT, "the worker has died with its task")
            worker.start()
        assert result.get(timeout=LIMIT) == 10
    assert runs.read_text() == "run\nrun\n"
