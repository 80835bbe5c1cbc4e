"""Results: no state goes backwards, and nothing is lost while the store is away."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import Celery
from celery.app.task import Context
from celery.exceptions import Retry, SoftTimeLimitExceeded
from celery.states import FAILURE, RETRY, REVOKED, STARTED, SUCCESS

from app.celery import create_app
from app.results import later, own_connection
from app.settings import read_settings
from tests.services.valkey import Valkey
from tests.waiting import wait_until

LIMIT = 20


def application(results: str) -> Celery:
    """The application, with these results and no broker that anybody listens to."""
    return create_app(read_settings({"CELERY_BROKER_URL": "amqp://127.0.0.1:1//", "CELERY_RESULT_BACKEND": results}))


@pytest.fixture
def backend(valkey: Valkey) -> Iterator[Any]:
    with application(valkey.url) as app:
        yield app.backend
        app.backend.client.close()


@pytest.fixture
def time_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """A task counts as short that the test ends within a second."""
    monkeypatch.setattr(later, "SECONDS", 1.0)


FORKS = r"""
import os
from app.celery import app
def said(line):
    os.write(1, b"%d\n" % line)  # an unbuffered print writes the line and its end apart, and four write here
app.backend.store_result("before", None, "SUCCESS")
children = []
for _ in range(3):
    if not (child := os.fork()):
        for number in range(200):
            app.backend.store_result(f"{os.getpid()}-{number}", number, "SUCCESS")
        said(app.backend._own.client.client_id())
        os._exit(0)
    children.append(child)
for number in range(200):
    app.backend.store_result(str(number), number, "SUCCESS")
said(app.backend._own.client.client_id())
assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
"""


def test_forks_store_their_results_over_connections_of_their_own(valkey: Valkey, backend: Any, tmp_path: Path) -> None:
    """A process that has stored a result, and three forks of it, store 200 each at the same time: all are there."""
    settings = {"CELERY_RESULT_BACKEND": valkey.url, "CELERY_BROKER_URL": "amqp://127.0.0.1:1//"}
    environment = {**os.environ, "DATA_DIR": str(tmp_path)} | settings
    run = [sys.executable, "-c", FORKS]
    done = subprocess.run(run, env=environment, capture_output=True, text=True, timeout=LIMIT, check=False)
    assert done.returncode == 0, done.stderr
    assert len(set(done.stdout.split())) == 4
    assert sum(1 for _ in backend.client.scan_iter(backend.get_key_for_task("*"))) == 1 + 4 * 200
    backend.client.flushdb()


def store(backend: Any, state: str) -> None:
    """Store a result of the task `id` in `state`."""
    backend.store_result("id", RuntimeError("failed") if state in (FAILURE, RETRY, REVOKED) else state, state)


@pytest.mark.parametrize("before", [SUCCESS, FAILURE, REVOKED])
@pytest.mark.parametrize("after", [STARTED, RETRY, "PROGRESS"])
def test_a_final_state_is_not_replaced_by_an_unfinished_one(backend: Any, before: str, after: str) -> None:
    """What a second run reports late does not make a finished task look as if it ran."""
    backend.forget("id")
    store(backend, before)
    store(backend, after)
    assert backend.get_state("id") == before


@pytest.mark.parametrize(
    ("before", "after", "kept"),
    [
        (STARTED, RETRY, RETRY),
        (RETRY, STARTED, STARTED),
        (RETRY, SUCCESS, SUCCESS),
        (FAILURE, SUCCESS, SUCCESS),
        (REVOKED, FAILURE, FAILURE),
        (SUCCESS, FAILURE, SUCCESS),
        (SUCCESS, REVOKED, SUCCESS),
    ],
)
def test_states_go_forwards(backend: Any, before: str, after: str, kept: str) -> None:
    """A task that failed may succeed when it is sent again; one that succeeded stays so."""
    backend.forget("id")
    store(backend, before)
    store(backend, after)
    assert backend.get_state("id") == kept


def test_who_waits_is_told_and_the_result_expires(backend: Any) -> None:
    """A result is announced when it is stored, and kept for a day."""
    with backend.client.pubsub() as listener:
        listener.subscribe(backend.get_key_for_task("told"))
        listener.get_message(timeout=LIMIT)
        backend.store_result("told", 1, SUCCESS)
        assert b'"SUCCESS"' in listener.get_message(timeout=LIMIT)["data"]
    assert 86_000 < backend.client.ttl(backend.get_key_for_task("told")) <= 86_400


def part(index: int) -> Context:
    """The request of one task of a chord of three."""
    body = {"task": "tasks.arithmetic.xsum", "args": [], "kwargs": {}, "options": {"task_id": "body"}}
    return Context({"id": f"part-{index}", "group": "group", "group_index": index, "chord": body})


@pytest.mark.parametrize("state", [SUCCESS, FAILURE])
def test_a_part_of_a_chord_is_stored_and_counted_in_one_step(backend: Any, state: str) -> None:
    """There is no moment at which one has been done and not the other, and it counts once however often it comes."""
    backend.set_chord_size("group", 3)
    for _ in range(2):
        if state == SUCCESS:
            backend.mark_as_done("part-0", 1, part(0))
        else:
            backend.mark_as_failure("part-0", RuntimeError("failed"), request=part(0))
    assert backend.get_state("part-0") == state
    assert backend.client.smembers(backend.get_key_for_group("group", ".d")) == {b"part-0:0"}
    backend.client.flushdb()


def test_a_connection_that_the_store_has_ended_meanwhile_is_made_anew(
    backend: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A store that ends idle connections is no store that is away: the next result is stored, and nothing is said."""
    monkeypatch.setattr(own_connection, "IDLE_SECONDS", 0.0)
    backend.store_result("before", 1, SUCCESS)
    backend.client.client_kill_filter(_type="normal", skipme=True)
    backend.store_result("after", 1, SUCCESS)
    assert backend.get_state("after") == SUCCESS
    assert not caplog.text


def test_a_time_limit_between_a_command_and_its_answer_confuses_no_other(
    backend: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer that nobody has read is not taken for that of the next command, which counts a chord's part."""
    backend.set_chord_size("group", 3)

    def interrupt(*arguments: Any, **options: Any) -> None:
        raise SoftTimeLimitExceeded

    with monkeypatch.context() as patch:
        patch.setattr(redis.Redis, "parse_response", interrupt)
        with pytest.raises(SoftTimeLimitExceeded):
            backend.store_result("interrupted", 1, SUCCESS)
    backend.mark_as_done("part-0", 1, part(0))
    assert backend.get_state("part-0") == SUCCESS
    assert backend.client.scard(backend.get_key_for_group("group", ".d")) == 1
    backend.client.flushdb()


def test_a_part_whose_result_nobody_wants_is_counted(backend: Any) -> None:
    """With ignore_result its value reaches the body and is kept nowhere else."""
    backend.set_chord_size("group", 3)
    request = part(0)
    request.ignore_result = True
    backend.mark_as_done("part-0", 1, request)
    assert not backend.task_result_exists("part-0")
    assert backend.client.scard(backend.get_key_for_group("group", ".d")) == 1
    backend.client.flushdb()


def test_a_store_that_is_away_is_waited_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A result and a chord's part that come meanwhile are there afterwards, and the log says what it waited for."""
    with Valkey(tmp_path, append_only=True) as server, application(server.url) as app:
        backend: Any = app.backend
        backend.set_chord_size("group", 3)
        backend.mark_as_done("part-0", 1, part(0))
        server.kill()
        storing = threading.Thread(target=backend.mark_as_done, args=("part-1", 2, part(1)))
        storing.start()
        wait_until(lambda: "does not answer" in caplog.text, LIMIT, "the log says that the store does not answer")
        server.start()
        storing.join(LIMIT)
        assert backend.get_state("part-1") == SUCCESS
        assert backend.client.scard(backend.get_key_for_group("group", ".d")) == 2
        backend.client.close()


def test_a_run_that_reports_its_retry_after_the_next_has_succeeded_changes_nothing(backend: Any) -> None:
    """With no countdown the next run may be faster; get() would wait for ever for a task that is done."""
    backend.forget("id")
    request = Context({"id": "id"})
    backend.mark_as_done("id", "result", request)
    backend.mark_as_retry("id", Retry(exc=RuntimeError("once")), request=request)
    assert (backend.get_state("id"), backend.get_result("id")) == (SUCCESS, "result")


def test_that_a_task_runs_is_stored_of_one_that_lasts(backend: Any) -> None:
    """Who looks at a long task sees that it runs, and where."""
    for task_id in ("lasts", "another"):
        backend.forget(task_id)
        backend.store_result(task_id, {"pid": 1}, STARTED, request=Context({"id": task_id}))
        wait_until(lambda name=task_id: backend.get_state(name) == STARTED, LIMIT, "the state STARTED")
        assert backend.get_task_meta(task_id)["result"] == {"pid": 1}


@pytest.mark.usefixtures("time_enough")
@pytest.mark.parametrize("state", [SUCCESS, FAILURE, RETRY])
@pytest.mark.parametrize("request_", [Context({"id": "part-0"}), part(0)], ids=["alone", "in a chord"])
def test_that_a_short_task_runs_is_not_stored(backend: Any, state: str, request_: Context) -> None:
    """What is stored of it first is how it ended, and that it had started is not stored after that either."""
    backend.set_chord_size("group", 3)
    end = {SUCCESS: backend.mark_as_done, FAILURE: backend.mark_as_failure, RETRY: backend.mark_as_retry}[state]
    with backend.client.pubsub(ignore_subscribe_messages=True) as listener:
        listener.subscribe(backend.get_key_for_task("part-0"))
        backend.store_result("part-0", {"pid": 1}, STARTED, request=request_)
        backend.store_result("lasts", {"pid": 1}, STARTED, request=Context({"id": "lasts"}))
        end("part-0", 1 if state == SUCCESS else Retry(exc=RuntimeError("failed")), request=request_)
        wait_until(lambda: backend.get_state("lasts") == STARTED, LIMIT, "the state of the task that lasts")
        told = [message for _ in range(4) if (message := listener.get_message(timeout=0.01))]
    assert {json.loads(message["data"])["status"] for message in told} == {state}
    backend.client.flushdb()


@pytest.mark.usefixtures("time_enough")
@pytest.mark.parametrize("request_", [Context({"id": "part-0"}), part(0)], ids=["alone", "in a chord"])
def test_a_short_task_costs_the_store_one_command(backend: Any, request_: Context) -> None:
    """Many short tasks are bound by what each of them asks of the store."""
    backend.set_chord_size("group", 3)

    def commands() -> int:
        return int(backend.client.info("commandstats")["cmdstat_evalsha"]["calls"])

    backend.mark_as_done("part-1", 1, part(1))  # the store has both scripts
    backend.mark_as_done("another", 1, Context({"id": "another"}))
    before = commands()
    backend.store_result("part-0", {"pid": 1}, STARTED, request=request_)
    backend.store_result("lasts", {"pid": 1}, STARTED, request=Context({"id": "lasts"}))
    backend.mark_as_done("part-0", 1, request_)
    wait_until(lambda: backend.get_state("lasts") == STARTED, LIMIT, "the state of the task that lasts")
    assert commands() - before == 2, "one for each of two tasks"
    backend.client.flushdb()


def test_of_a_task_that_was_delivered_before_it_is_stored_at_once_that_it_runs(backend: Any) -> None:
    """It may have ended its worker, and be about to do so again: then that it ran is what tells it from others."""
    backend.forget("again")
    request = Context({"id": "again", "delivery_info": {"redelivered": True}})
    backend.store_result("again", {"pid": 1}, STARTED, request=request)
    assert backend.get_state("again") == STARTED
