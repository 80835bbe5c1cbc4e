"""What Celery's canvas does, one feature at a time, on every way to run the project.

Read this first: each test is an example that works. `celery_setup` is the application with one worker.
"""

from collections.abc import Callable

import pytest
from celery import chain, chord, group
from celery.exceptions import TimeoutError as ResultTimeout
from pytest_celery import CeleryTestSetup

from app.workflows.events import event_stream
from tasks.arithmetic import add, mul, xsum
from tasks.callbacks import on_task_error, on_task_success, print_task
from tasks.failing import broken_task, unreliable
from tasks.long_running import PROGRESS_EVENT, count
from tests.waiting import wait_until

LIMIT = 30
"""Seconds to wait for a result."""

Log = Callable[[], str]


@pytest.fixture
def log(celery_setup: CeleryTestSetup) -> Log:
    """What the worker has written so far."""
    return celery_setup.worker.logs


@pytest.fixture
def joins_chords(celery_setup: CeleryTestSetup) -> bool:
    return not str(celery_setup.app.conf.result_backend).startswith("rpc")


def test_delay_sends_a_task_and_get_waits_for_its_result(celery_setup: CeleryTestSetup) -> None:
    """The result is there when the worker has put it there, and ready() says so."""
    result = add.delay(1, 1)
    assert result.get(timeout=LIMIT) == 2
    assert (result.state, result.ready()) == ("SUCCESS", True)


def test_a_result_is_pending_until_a_worker_takes_the_task(celery_setup: CeleryTestSetup) -> None:
    """Nobody serves this queue, so nothing has happened yet, and waiting ends with a time-out."""
    result = add.apply_async((1, 1), queue="nobody")
    assert (result.state, result.ready()) == ("PENDING", False)
    with pytest.raises(ResultTimeout):
        result.get(timeout=0.1)
    result.forget()  # else the result store goes on waiting for it


def test_calling_a_task_runs_it_here(log: Log) -> None:
    """A task is a function: called as one, it sends no message, and no worker knows of it."""
    x = 987_654_321
    assert add(x, 1) == 987_654_322
    assert str(x) not in log()


def test_a_group_runs_at_the_same_time_and_keeps_the_order(celery_setup: CeleryTestSetup) -> None:
    """The results stand in the order of the tasks, whichever ended first."""
    result = group(add.s(i, i) for i in range(10))()
    assert result.get(timeout=LIMIT) == [0, 2, 4, 6, 8, 10, 12, 14, 16, 18]


def test_a_chain_hands_each_result_to_the_next_task(celery_setup: CeleryTestSetup) -> None:
    """(4 + 4) * 8, and the result knows the results before it."""
    result = chain(add.s(4, 4), mul.s(8))()
    assert result.get(timeout=LIMIT) == 64
    assert result.parent.get(timeout=LIMIT) == 8


def test_a_chord_joins_the_results_of_a_group(celery_setup: CeleryTestSetup, joins_chords: bool) -> None:
    """The body is given all results of the header; results over rpc:// cannot do it, and say so."""
    sums = chord([add.s(i, i) for i in range(10)], xsum.s())
    if joins_chords:
        assert sums().get(timeout=LIMIT) == 90
    else:
        with pytest.raises(NotImplementedError, match="does not support"):
            sums()


def test_a_failed_header_keeps_the_body_from_running(celery_setup: CeleryTestSetup, joins_chords: bool) -> None:
    """The chord's result is the failure of its header."""
    if joins_chords:
        result = chord([add.s(1, 1), broken_task.s()], xsum.s())()
        with pytest.raises(Exception, match="failed"):
            result.get(timeout=LIMIT)


def test_the_reason_of_a_failure_comes_back(celery_setup: CeleryTestSetup) -> None:
    """get() raises what the task has raised."""
    result = broken_task.delay()
    with pytest.raises(RuntimeError, match="failed"):
        result.get(timeout=LIMIT)
    assert result.state == "FAILURE"


def test_link_error_calls_a_task_that_says_which_task_failed_and_why(log: Log) -> None:
    """An errback of three arguments is given the failed request, its exception and its traceback."""
    failed = broken_task.apply_async(link_error=on_task_error.s())
    sentence = f"ERROR IN TASK {failed.id}: {broken_task.name} failed: RuntimeError('failed')"
    wait_until(lambda: sentence in log(), LIMIT, "the errback has printed which task failed")


def test_link_calls_a_task_that_says_which_task_succeeded(log: Log) -> None:
    """A callback is given the result; which task it came from, it knows as its own parent."""
    succeeded = print_task.apply_async(("something",), link=on_task_success.s(print_task.name))
    sentence = f"TASK SUCCEEDED {succeeded.id}: {print_task.name} returned 'something'"
    wait_until(lambda: sentence in log(), LIMIT, "the callback has printed which task succeeded")


def test_starmap_makes_many_calls_with_one_message(celery_setup: CeleryTestSetup) -> None:
    """One task makes all the calls, one after another."""
    assert add.starmap([(i, i) for i in range(10)]).delay().get(timeout=LIMIT) == [i + i for i in range(10)]


def test_chunks_share_many_calls_out_among_a_few_messages(celery_setup: CeleryTestSetup) -> None:
    """A hundred calls in ten messages."""
    result = add.chunks([(i, i) for i in range(100)], 10).group()()
    assert result.get(timeout=LIMIT) == [[i + i for i in range(start, start + 10)] for start in range(0, 100, 10)]


def test_a_task_that_fails_for_now_is_retried(celery_setup: CeleryTestSetup) -> None:
    """Two attempts fail, the third succeeds, and who waits sees only that."""
    assert unreliable.delay(2).get(timeout=LIMIT) == "succeeded at attempt 3"


def test_a_long_task_tells_how_far_it_has_come(celery_setup: CeleryTestSetup) -> None:
    """Whoever watches the events sees every step."""
    seen: list[tuple[int, int]] = []
    with event_stream(celery_setup.app) as events:
        result = count.delay(4, 0.1)

        def last_step_seen() -> bool:
            steps = [event for event in events.take(0.1) if event["type"] == PROGRESS_EVENT]
            seen.extend((event["done"], event["total"]) for event in steps if event["uuid"] == result.id)
            return (4, 4) in seen

        wait_until(last_step_seen, LIMIT, "the task has reported its last step")
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
