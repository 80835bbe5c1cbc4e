"""Tasks over RabbitMQ: none is dropped without a word, and one that kills its worker comes to an end."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from amqp.exceptions import ChannelError
from celery import Celery, chain, chord
from celery.exceptions import ChordError, TaskRevokedError, WorkerLostError
from celery.states import REVOKED, STARTED

from app.queues import DEAD_LETTERS, DEFAULT_QUEUE, DELIVERY_LIMIT, SORTING, UNNEEDED
from tasks.arithmetic import add, xsum
from tasks.callbacks import on_task_error
from tasks.long_running import count
from tests.services.celery import Worker
from tests.services.rabbitmq import VirtualHost
from tests.waiting import wait_until

LIMIT = 40


def delete(vhost: VirtualHost, kind: str, name: str) -> None:
    """Delete a queue or an exchange under those who use it."""
    vhost.node.api("DELETE", f"{kind}/{vhost.name}/{name}").raise_for_status()


def test_the_queues_are_replicated_limited_and_keep_what_fails(app: Celery, vhost: VirtualHost) -> None:
    """Whoever sends first declares the task queue and the queue of dead letters, which no worker consumes."""
    add.delay(1, 1)
    add.apply_async((1, 1), queue="another")
    queues = vhost.queues()
    assert queues.keys() == {DEFAULT_QUEUE, DEAD_LETTERS, UNNEEDED, "another"}
    assert {queue["type"] for queue in queues.values()} == {"quorum"}
    for name in (DEFAULT_QUEUE, "another"):
        arguments: Any = queues[name]["arguments"]
        assert arguments["x-delivery-limit"] == DELIVERY_LIMIT
        assert (arguments["x-dead-letter-exchange"], arguments["x-dead-letter-strategy"]) == (
            SORTING,
            "at-least-once",
        )
    assert DEAD_LETTERS not in app.amqp.queues


@pytest.mark.parametrize("name", ["tasks.arithmetic.add", "a.task.that.only.others.have"])
def test_a_message_without_a_queue_is_an_error_of_its_sender(app: Celery, vhost: VirtualHost, name: str) -> None:
    """RabbitMQ alone would confirm it and drop it; the next one is sent again, and only once."""
    add.delay(1, 1)
    delete(vhost, "queues", DEFAULT_QUEUE)
    with pytest.raises(ChannelError, match="NO_ROUTE"):
        app.send_task(name, (1, 1))
    app.send_task(name, (2, 2))
    app.send_task(name, (3, 3))
    wait_until(lambda: vhost.message_count(DEFAULT_QUEUE) == 2, LIMIT, "two messages have arrived")


def test_a_delayed_message_without_a_queue_is_an_error_too(
    app: Celery, settings: dict[str, str], vhost: VirtualHost, tmp_path: Path
) -> None:
    """Delayed tasks are kept by the broker, in queues of their own."""
    with Worker(tmp_path / "worker", settings):
        assert add.apply_async((1, 1), countdown=1).get(timeout=LIMIT) == 2
    for level in range(28):
        delete(vhost, "queues", f"celery_delayed_{level}")
    with pytest.raises(ChannelError, match="NO_ROUTE"):
        add.apply_async((1, 1), countdown=60)


@pytest.mark.parametrize(
    "delay",
    [{"countdown": 0.2}, {"countdown": 1.7}, {"eta": 0.5}, {"eta": -5}],
    ids=["less-than-a-second", "not-whole-seconds", "soon", "past"],
)
def test_any_delay_can_be_asked_for(
    app: Celery, settings: dict[str, str], tmp_path: Path, delay: dict[str, float]
) -> None:
    """The broker counts in whole seconds; a task comes no earlier than asked, and less than a second later."""
    with Worker(tmp_path / "worker", settings):
        add.delay(1, 1).get(timeout=LIMIT)
        if "eta" in delay:
            result = add.apply_async((1, 1), eta=datetime.now(UTC) + timedelta(seconds=delay["eta"]))
        else:
            result = add.apply_async((1, 1), **delay)
        assert result.get(timeout=LIMIT) == 2


@pytest.mark.timeout(120)
def test_a_task_that_kills_its_process_ends_as_a_dead_letter_and_a_failure(
    app: Celery, settings: dict[str, str], vhost: VirtualHost, tmp_path: Path
) -> None:
    """Celery alone would run it for ever; here its result says why it was given up, and its message is kept."""
    environment = settings | {"RUNS": str(tmp_path / "runs")}
    with DeadlyWorker(tmp_path / "worker", environment):
        healthy = [add.delay(i, i) for i in range(10)]
        deadly = app.send_task("tests.services.deadly_app.kill_this_process")
        with pytest.raises(WorkerLostError, match=f"delivered {DELIVERY_LIMIT + 1} times"):
            deadly.get(timeout=100)
        assert [result.get(timeout=LIMIT) for result in healthy] == [i + i for i in range(10)]
    assert (tmp_path / "runs").read_text().count("run") == DELIVERY_LIMIT + 1
    wait_until(lambda: vhost.message_count(DEAD_LETTERS) == 1, LIMIT, "its message is among the dead letters")
    assert vhost.message_count(DEFAULT_QUEUE) == 0


class DeadlyWorker(Worker):
    """A worker with a task that kills the process which runs it."""

    application = "tests.services.deadly_app"


def test_a_task_that_expires_behind_another_is_revoked_by_the_worker(
    app: Celery, settings: dict[str, str], vhost: VirtualHost, tmp_path: Path
) -> None:
    """Who waits for it, or for what hangs on it, is told when the worker comes to it, with no beat."""
    late = add.si(1, 1).set(expires=0.05)
    with Worker(tmp_path / "worker", settings, pool="solo") as worker:
        busy = count.delay(1, 3.0)
        wait_until(lambda: busy.state == STARTED, LIMIT, "the worker is busy")
        alone = late.apply_async(link_error=on_task_error.s())
        chained = chain(late, add.s(1)).apply_async()
        fanned_in = chord([chain(late, add.s(1)), add.si(2, 2)], xsum.s()).apply_async()
        for result in (alone, chained):
            with pytest.raises(TaskRevokedError, match="expired"):
                app.AsyncResult(result.id).get(timeout=LIMIT)
        with pytest.raises(ChordError):
            app.AsyncResult(fanned_in.id).get(timeout=LIMIT)
        wait_until(lambda: f"ERROR IN TASK {alone.id}" in worker.log(), LIMIT, "the errback was called")
    assert alone.state == REVOKED
    assert vhost.message_count(DEAD_LETTERS) == 0
