"""A workflow's tree, filled from events: no broker is needed to know what they mean."""

from typing import Any

import pytest

from app.workflows.catalogue import WORKFLOWS
from app.workflows.progress import Progress, Step, plan
from app.workflows.run import outcome
from tasks.callbacks import ERRBACK_EVENT

NAMES = ("delay", "call", "group", "chain", "chord", "link_error", "link")


def planned(name: str) -> Progress:
    return Progress(plan(WORKFLOWS[name].build()))


def tell(progress: Progress, step: Step, *types: str, **fields: Any) -> None:
    for position, kind in enumerate(types):
        progress.apply({"type": kind, "uuid": step.id, "timestamp": 100.0 + position, "hostname": "w@h", **fields})


def test_the_first_seven_workflows_have_the_documents_names() -> None:
    """Others rely on these names and this order."""
    assert tuple(WORKFLOWS)[:7] == NAMES


@pytest.mark.parametrize("name", WORKFLOWS)
def test_every_task_knows_its_id_before_anything_is_sent(name: str) -> None:
    """The tree is complete from the start: no two tasks share an id."""
    ids = [step.id for step in planned(name).root.tasks()]
    assert all(ids)
    assert len(ids) == len(set(ids))


def test_a_chord_has_its_header_and_then_its_body() -> None:
    """Ten sums run at the same time, one task takes their results."""
    root = planned("chord").root
    assert [step.name for step in root.header] == ["tasks.arithmetic.add"] * 10
    assert (root.children[-1].role, root.children[-1].name) == ("body", "tasks.arithmetic.xsum")


def test_a_task_goes_from_pending_to_its_result() -> None:
    """Received, started and succeeded give state, worker, duration and result."""
    progress = planned("delay")
    step = progress.root
    assert (step.state, step.settled) == ("PENDING", False)
    tell(progress, step, "task-received", "task-started")
    assert (step.state, step.worker, step.settled) == ("STARTED", "w@h", False)
    tell(progress, step, "task-started", "task-succeeded", result="2")
    assert (step.state, step.result, step.seconds, step.settled) == ("SUCCESS", 2, 1.0, True)


def test_a_final_state_stays() -> None:
    """Events of different senders overtake each other: a late one changes nothing."""
    progress = planned("delay")
    tell(progress, progress.root, "task-succeeded", result="2")
    tell(progress, progress.root, "task-received", "task-started", "task-retried")
    progress.record(str(progress.root.id), {"status": "RETRY", "result": None})
    assert progress.root.state == "SUCCESS"


def test_a_result_knows_the_arguments_that_were_handed_on() -> None:
    """A step whose events were lost shows what it was really given, not only what its signature says."""
    progress = planned("chain")
    step = list(progress.root.tasks())[1]
    progress.record(str(step.id), {"status": "SUCCESS", "result": 64, "args": [8, 8]})
    assert (step.args, step.result) == ([8, 8], 64)


def test_a_success_that_the_result_store_tells_first_ends_the_error_of_the_attempt_before() -> None:
    """A task that was retried has nothing wrong once it succeeded, whoever tells of that."""
    progress = planned("retry")
    step = progress.root
    tell(progress, step, "task-received", "task-started", "task-retried", exception="NotYet('attempt 1 failed')")
    assert step.error == "NotYet('attempt 1 failed')"
    progress.record(str(step.id), {"status": "SUCCESS", "result": "succeeded at attempt 2"})
    assert (step.error, outcome(step)) == (None, "succeeded at attempt 2")


def test_an_event_of_another_workflow_is_not_taken() -> None:
    """Many workflows share one broker."""
    progress = planned("delay")
    assert not progress.apply({"type": "task-failed", "uuid": "another", "timestamp": 1.0})
    assert not progress.apply({"type": "worker-heartbeat", "timestamp": 1.0})
    assert progress.root.state == "PENDING"


def test_a_chain_ends_with_the_first_step_that_fails() -> None:
    """What comes after it will never run, and nobody waits for it."""
    progress = planned("chain")
    first, second = progress.root.children
    tell(progress, first, "task-failed", exception="RuntimeError('failed')")
    assert progress.root.settled
    assert not progress.root.succeeded
    assert second.state == "PENDING"


def test_a_failed_task_is_settled_when_its_errback_has_spoken() -> None:
    """Celery calls the errback inside the failed task's worker, so the errback says itself that it ran."""
    progress = planned("link_error")
    failed, errback = progress.root.tasks()
    tell(progress, failed, "task-failed", exception="RuntimeError('failed')")
    assert not progress.root.settled
    progress.apply({"type": ERRBACK_EVENT, "failed": failed.id, "uuid": None, "result": "said", "timestamp": 1.0})
    assert (errback.state, errback.result, progress.root.settled) == ("SUCCESS", "said", True)


def test_a_chord_is_settled_when_its_body_is() -> None:
    """The header alone is not the end of it."""
    progress = planned("chord")
    for step in progress.root.header:
        tell(progress, step, "task-succeeded", result="1")
    assert not progress.root.settled
    tell(progress, progress.root.children[-1], "task-succeeded", result="10")
    assert progress.root.settled


@pytest.mark.parametrize("shown", ["(1, ...", "<object at 0x7f>", "(" * 500, None])
def test_arguments_that_an_event_shows_cut_short_leave_those_that_were_planned(shown: str | None) -> None:
    """Events carry text for people; what cannot be read back is not guessed."""
    progress = planned("delay")
    tell(progress, progress.root, "task-received", args=shown)
    assert progress.root.args == [1, 1]
