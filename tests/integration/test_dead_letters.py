"""Dead letters on a real broker: seen, settled, sent again and discarded, and never lost."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from celery import Celery, chain, chord
from celery.exceptions import ChordError, TaskRevokedError, WorkerLostError
from celery.states import FAILURE, PENDING, REVOKED, STARTED, SUCCESS
from kombu import Connection

from app import queues
from app.canary import send_canary
from app.dead_letters import settling
from app.dead_letters.box import BoxIsTaken, count_dead_letters, open_box
from app.dead_letters.letter import DELIVERY_LIMIT_REACHED, EXPIRED, REJECTED
from app.dead_letters.settling import MOST_LIVES, settle_dead_letters
from app.queues import DEAD_LETTERS, DEFAULT_QUEUE, DELIVERY_LIMIT, UNNEEDED
from tasks.arithmetic import add, xsum
from tests.services.celery import Worker
from tests.services.rabbitmq import VirtualHost
from tests.waiting import wait_until

PROJECT = Path(__file__).parents[2]
LIMIT = 20

HOLD = """
import sys, time
from app.celery import app
from app.dead_letters.box import open_box
with open_box(app, patience=0) as box:
    print(len(box.letters()), flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def no_time_to_revoke(monkeypatch: pytest.MonkeyPatch) -> None:
    """What has expired becomes a dead letter at once."""
    monkeypatch.setattr(queues, "REVOKING_SECONDS", 0)


def program(settings: dict[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "app.dead_letters", *arguments],
        cwd=PROJECT,
        env=os.environ | settings | {"COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )


def document(settings: dict[str, str], *arguments: str) -> Any:
    done = program(settings, *arguments, "--json")
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return json.loads(done.stdout)


def ids(app: Celery) -> list[str]:
    with open_box(app, patience=LIMIT) as box:
        return [letter.id for letter in box.letters()]


def wait_for(app: Celery, count: int) -> None:
    wait_until(lambda: count_dead_letters(app, LIMIT) == count, LIMIT, f"there are {count} dead letters")


def expire(app: Celery, count: int) -> list[str]:
    """Have so many tasks expire; returns their ids."""
    before = count_dead_letters(app, LIMIT) or 0
    sent = [add.apply_async((number, number), expires=0.05).id for number in range(count)]
    wait_for(app, before + count)
    return sent


def take(app: Celery, times: int, *, requeue: bool) -> None:
    """Take what is in the task queue as a worker does that ends, or that gives it up, so many times."""
    with app.connection_for_write() as connection:
        for _ in range(times):
            channel, taken = connection.channel(), list[Any]()
            while (message := channel.basic_get(DEFAULT_QUEUE)) or not taken:
                if message:
                    taken.append(message)
            for message in taken:
                channel.basic_reject(message.delivery_tag, requeue=requeue)
            channel.close()


def kill_workers_with(app: Celery, count: int = 1) -> None:
    """Deliver what is in the task queue until the broker gives it up."""
    before = count_dead_letters(app, LIMIT) or 0
    take(app, DELIVERY_LIMIT + 1, requeue=True)
    wait_for(app, before + count)


def test_each_is_listed_with_all_that_is_known(app: Celery, settings: dict[str, str]) -> None:
    """Task, arguments, reason, queue and age; a message that is no task is listed, too."""
    (expired,) = expire(app, 1)
    rejected = add.delay(2, y=3).id
    take(app, 1, requeue=False)
    wait_for(app, 2)
    add.apply_async((1, 1), task_id="deadly")
    kill_workers_with(app)
    with Connection(settings["CELERY_BROKER_URL"]) as connection:
        connection.Producer().publish(b"no task", routing_key=DEFAULT_QUEUE, content_type="text/plain")
    take(app, 1, requeue=False)
    wait_for(app, 4)
    listed = document(settings, "list")
    assert listed["count"] == 4
    found = [(letter["id"], letter["reason"], letter["args"]) for letter in listed["dead_letters"][:3]]
    assert found == [
        (expired, EXPIRED, "(0, 0)"),
        (rejected, REJECTED, "(2,)"),
        ("deadly", DELIVERY_LIMIT_REACHED, "(1, 1)"),
    ]
    assert {(letter["queue"], letter["age_seconds"] < 60) for letter in listed["dead_letters"]} == {("celery", True)}
    assert (listed["dead_letters"][3]["task"], listed["dead_letters"][3]["args"]) == (None, "no task")
    shown = program(settings, "list", "--limit", "2").stdout
    assert "tasks.arithmetic.add" in shown
    assert expired in shown
    assert "It expired before a worker was free to take it." in shown
    assert "4 dead letters, the oldest 2 of them shown." in shown
    assert document(settings, "show", rejected)["kwargs"] == "{'y': 3}"


def test_to_look_changes_nothing(app: Celery, settings: dict[str, str], vhost: VirtualHost) -> None:
    """However often, and when a reader is killed in the middle; meanwhile, nobody else reads half of them."""
    sent = expire(app, 30)
    for _ in range(3):
        assert ids(app) == sent
    arguments: Any = vhost.queues()[DEAD_LETTERS]["arguments"]
    assert arguments["x-delivery-limit"] > 1_000_000  # RabbitMQ 4 drops what was looked at twenty times by default
    reader = subprocess.Popen(
        [sys.executable, "-c", HOLD], cwd=PROJECT, env=os.environ | settings, stdout=subprocess.PIPE, text=True
    )
    try:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "30\n"
        with pytest.raises(BoxIsTaken), open_box(app, patience=0):
            pass
        assert settle_dead_letters(app) == []
    finally:
        reader.send_signal(signal.SIGKILL)
        reader.communicate()
    wait_for(app, 30)
    assert ids(app) == sent


def test_a_replayed_task_is_done(app: Celery, settings: dict[str, str], tmp_path: Path) -> None:
    """Its old result, its date of expiry and its letter are gone; of many, the oldest come first."""
    sent = expire(app, 5)
    settle_dead_letters(app)
    assert app.AsyncResult(sent[0]).state == REVOKED
    assert document(settings, "replay", sent[4]) == {"done": [sent[4]], "failed": {}}
    assert app.AsyncResult(sent[4]).state == PENDING
    assert document(settings, "replay", "--all", "--limit", "2")["done"] == sent[:2]
    assert ids(app) == sent[2:4]
    with Worker(tmp_path / "worker", settings, pool="solo"):
        assert [app.AsyncResult(sent[number]).get(timeout=LIMIT) for number in (0, 1, 4)] == [0, 2, 8]
    assert document(settings, "discard", "--all")["done"] == sent[2:4]
    assert document(settings, "list") == {"count": 0, "dead_letters": []}


def test_what_cannot_be_replayed_stays(app: Celery, settings: dict[str, str], vhost: VirtualHost) -> None:
    """A queue that is no more takes nothing; the others are sent, and the exit code says that one was not."""
    lost = add.apply_async((1, 1), queue="gone", expires=0.05).id
    wait_for(app, 1)
    (sent,) = expire(app, 1)
    vhost.node.api("DELETE", f"queues/{vhost.name}/gone").raise_for_status()
    done = program(settings, "replay", lost, sent, "unknown")
    assert (done.returncode, done.stdout) == (1, "1 dead letters sent again.\n")
    assert "The queue 'gone' does not take it" in done.stderr
    assert "There is no dead letter unknown: `python -m app.dead_letters list` shows which there are." in done.stderr
    assert "Traceback" not in done.stderr
    assert ids(app) == [lost]
    wait_until(lambda: vhost.message_count(DEFAULT_QUEUE) == 1, LIMIT, "the other one is in its queue, once")


def test_who_waits_for_a_task_that_expired_is_told(app: Celery, settings: dict[str, str]) -> None:
    """Also when no worker has seen it, and with all that hangs on it: chords and chains end."""
    alone = add.apply_async((1, 1), expires=0.05)
    parts = chord([add.si(1, 1).set(expires=0.05), add.si(2, 2).set(expires=0.05)], xsum.s()).apply_async()
    chained = chain(add.si(1, 1).set(expires=0.05), add.s(1)).apply_async()
    wait_for(app, 4)
    assert len(settle_dead_letters(app)) == 4
    with pytest.raises(TaskRevokedError, match="It expired before a worker was free"):
        alone.get(timeout=LIMIT)
    with pytest.raises(ChordError):
        app.AsyncResult(parts.id).get(timeout=LIMIT)
    with pytest.raises(TaskRevokedError):
        app.AsyncResult(chained.id).get(timeout=LIMIT)
    assert settle_dead_letters(app) == []
    letters = document(settings, "list")["dead_letters"]
    assert [letter["settled"] for letter in letters] == [True] * 4
    assert letters[0]["id"] == alone.id
    assert letters[0]["queue"] == DEFAULT_QUEUE


def test_of_very_many_a_part_is_settled_at_a_time(app: Celery, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that an operator need not wait long; none is left out, and their order is kept."""
    monkeypatch.setattr(settling, "MOST_AT_ONCE", 2)
    sent = expire(app, 5)
    assert [len(settle_dead_letters(app)) for _ in range(4)] == [2, 2, 1, 0]
    assert {app.AsyncResult(task_id).state for task_id in sent} == {REVOKED}
    assert ids(app) == sent


def test_a_neighbour_that_had_not_begun_is_sent_again_at_once(app: Celery, vhost: VirtualHost) -> None:
    """Its worker was ended by another task."""
    results = [add.delay(number, number) for number in range(3)]
    kill_workers_with(app, 3)
    assert len(settle_dead_letters(app)) == 3
    assert count_dead_letters(app, LIMIT) == 0
    wait_until(lambda: vhost.message_count(DEFAULT_QUEUE) == 3, LIMIT, "all are in their queue again")
    assert {result.state for result in results} == {PENDING}


def test_of_those_that_had_begun_one_after_another_is_tried(app: Celery) -> None:
    """The guilty one is among them and must not take the others with it once more."""
    guilty, innocent = add.delay(1, 1), add.delay(2, 2)
    for result in (guilty, innocent):
        app.backend.store_result(result.id, None, STARTED)
    kill_workers_with(app, 2)
    assert [guilty.id in sentence for sentence in settle_dead_letters(app)] == [True]
    assert settle_dead_letters(app) == []  # it is not known yet how that ends
    kill_workers_with(app)
    assert [innocent.id in sentence for sentence in settle_dead_letters(app)] == [True]
    app.backend.store_result(innocent.id, 4, SUCCESS)
    assert [guilty.id in sentence for sentence in settle_dead_letters(app)] == [True]
    assert ids(app) == [guilty.id]


def test_whoever_ends_its_workers_again_and_again_fails_with_the_reason(app: Celery, settings: dict[str, str]) -> None:
    """After a bounded number of deliveries its result says so, and its letter stays for the operator."""
    deadly = add.delay(1, 1)
    app.backend.store_result(deadly.id, None, STARTED)
    kill_workers_with(app)
    for _ in range(MOST_LIVES):
        assert len(settle_dead_letters(app)) == 1
        kill_workers_with(app)
    assert len(settle_dead_letters(app)) == 1
    assert deadly.state == FAILURE
    with pytest.raises(
        WorkerLostError, match=f"each of the {DELIVERY_LIMIT + 1} times .* sent again {MOST_LIVES} times"
    ):
        deadly.get(timeout=LIMIT)
    assert settle_dead_letters(app) == []
    assert ids(app) == [deadly.id]


def test_a_final_result_is_left_as_it_is(app: Celery, settings: dict[str, str]) -> None:
    """A worker that has given a task up has said why."""
    rejected = add.delay(1, 1)
    app.backend.store_result(rejected.id, RuntimeError("said by the worker"), FAILURE)
    take(app, 1, requeue=False)
    wait_for(app, 1)
    assert "said by the worker" in settle_dead_letters(app)[0]
    with pytest.raises(RuntimeError, match="said by the worker"):
        rejected.get(timeout=LIMIT)


def test_messages_that_are_no_tasks_are_settled_too(app: Celery, settings: dict[str, str]) -> None:
    """Nobody waits for them; they do not keep the others from being settled."""
    add.delay(1, 1).forget()
    with Connection(settings["CELERY_BROKER_URL"]) as connection:
        connection.Producer().publish(b"\xff", routing_key=DEFAULT_QUEUE, headers={"task": "t", "id": "unreadable"})
        connection.Producer().publish(b"{", routing_key=DEFAULT_QUEUE, headers={"task": 1})
    take(app, 1, requeue=False)
    wait_for(app, 3)
    sentences = settle_dead_letters(app)
    assert len(sentences) == 3
    assert "Nobody can be told: its body cannot be read" in sentences[1]
    assert settle_dead_letters(app) == []


def test_what_beat_sends_and_canaries_leave_no_dead_letters(app: Celery, vhost: VirtualHost) -> None:
    """Without a worker they expire by the thousand; given up by a worker, they are dead letters as all others."""
    for _ in range(20):
        add.apply_async((1, 1), expires=0.05, headers={"celery_beat_task": True})
    assert send_canary(app, 0.5) is None
    expire(app, 1)
    wait_until(lambda: vhost.message_count(DEFAULT_QUEUE) == 0, LIMIT, "all have expired")
    assert count_dead_letters(app, LIMIT) == 1
    assert vhost.message_count(UNNEEDED) == 0
    add.apply_async((1, 1), headers={"celery_beat_task": True})
    take(app, 1, requeue=False)
    wait_for(app, 2)


@pytest.mark.parametrize(("command", "code"), [("list", 0), ("discard", 1), ("replay", 1)])
def test_where_there_are_no_dead_letters_a_sentence_says_so(tmp_path: Path, command: str, code: int) -> None:
    """The embedded broker has none; whoever asks for the list has been answered, and nobody else."""
    arguments = [command] if command == "list" else [command, "--all"]
    done = program({"DATA_DIR": str(tmp_path / "data")}, *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith("Only RabbitMQ keeps dead letters: ")
    assert done.stderr.count("\n") == 1


def test_a_broker_that_is_away_is_told_in_a_sentence(tmp_path: Path) -> None:
    """With what to do, and exit code 1."""
    done = program({"DATA_DIR": str(tmp_path), "CELERY_BROKER_URL": "amqp://me:secret@127.0.0.1:1//"}, "list")
    assert (done.returncode, done.stdout) == (1, "")
    assert "cannot be reached" in done.stderr
    assert "secret" not in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments", [[], ["replay"], ["discard", "id", "--all"], ["list", "--limit", "0"]])
def test_wrong_use_is_told(tmp_path: Path, arguments: list[str]) -> None:
    """With the usage and exit code 2; above all, to name nothing does not mean all."""
    done = program({"DATA_DIR": str(tmp_path)}, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "usage: python -m app.dead_letters" in done.stderr
