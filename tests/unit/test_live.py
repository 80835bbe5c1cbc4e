"""A run that many watch: what each has missed, and how it is found again."""

import json

import pytest

from app.workflows import live
from app.workflows.catalogue import WORKFLOWS
from app.workflows.live import LiveRun
from app.workflows.progress import Step, plan


def live_run(name: str) -> LiveRun:
    workflow = WORKFLOWS[name]
    return LiveRun(name, plan(workflow.build()), workflow.expected)


def succeed(run: LiveRun, step: Step, result: object) -> None:
    event = {"uuid": step.id, "hostname": "w@h", "timestamp": 100.0, "result": repr(result)}
    run.apply(event | {"type": "task-started"})
    run.apply(event | {"type": "task-succeeded", "timestamp": 101.0})


def test_each_is_told_what_it_has_missed() -> None:
    """The steps that have changed since a version, with what they are part of; none when nothing has."""
    run = live_run("nested")
    (first, *_) = run.root.tasks()
    before = run.version
    succeed(run, first, 2)
    assert [step["key"] for step in run.changes(before)] == ["0", "0.0"]
    assert [step["state"] for step in run.changes(before)] == ["STARTED", "SUCCESS"]
    assert run.changes(run.version) == []
    assert (run.knows(before), run.knows(run.version), run.knows(before - 1)) == (True, True, False)


def test_an_event_that_changes_nothing_makes_no_version() -> None:
    """What is repeated, comes late or belongs to others is no news."""
    run = live_run("delay")
    succeed(run, run.root, 2)
    before = run.version
    succeed(run, run.root, 2)
    run.apply({"type": "task-failed", "uuid": "another", "timestamp": 1.0})
    run.record(str(run.root.id), {"status": "STARTED", "result": None})
    assert run.version == before


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_run_is_found_again_as_it_was(name: str) -> None:
    """Its document, over JSON, holds all that is known of it."""
    run = live_run(name)
    (first, *_) = run.root.tasks()
    succeed(run, first, 2)
    run.revoke()
    document = json.loads(json.dumps(run.document()))
    again = LiveRun.restored(document).document()
    assert again | {"version": 0} == document | {"version": 0}
    assert again["version"] > document["version"]


def test_a_run_ends_when_all_it_waits_for_is_an_event_that_was_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Celery calls an errback inside the failed task's worker, and only an event tells of it."""
    run = live_run("link_error")
    run.record(str(run.root.id), {"status": "FAILURE", "result": RuntimeError("failed")})
    assert not run.finished
    monkeypatch.setattr(live, "SILENT_SECONDS", -1.0)
    assert run.finished
    run.end()
    assert (run.state, run.ok) == ("succeeded", True)


def test_a_run_that_was_perhaps_not_sent_ends_when_nothing_is_heard_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """As failed, with the reason; one that was heard of goes on."""
    monkeypatch.setattr(live, "DOUBTFUL_SECONDS", -1.0)
    silent, heard = live_run("chain"), live_run("chain")
    silent.doubt = heard.doubt = "The broker did not answer."
    succeed(heard, next(heard.root.tasks()), 8)
    assert (silent.finished, heard.finished) == (True, False)
    silent.end()
    assert (silent.state, silent.result) == ("failed", "The broker did not answer.")


def test_what_is_known_of_a_group_is_what_is_known_of_its_tasks() -> None:
    """Its state, how many of its tasks are done, and from when to when they ran."""
    run = live_run("group")
    assert run.document()["root"]["state"] == "PENDING"
    for count, step in enumerate(run.root.tasks(), start=1):
        succeed(run, step, 1)
        root = run.document()["root"]
        assert (root["done"], root["total"], root["started"]) == (count, 10, 100.0)
        assert (root["state"], root["ended"]) == (("SUCCESS", 101.0) if count == 10 else ("STARTED", None))
