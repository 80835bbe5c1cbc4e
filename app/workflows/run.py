"""Start a workflow and follow it until its last step has ended."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from celery import Celery
from celery.states import FAILURE, PENDING, READY_STATES, SUCCESS

from app.workflows.arithmetic import AnySignature
from app.workflows.catalogue import Workflow
from app.workflows.events import EventStream
from app.workflows.progress import Progress, Step, plan

POLL_SECONDS = 0.1
"""How long to wait for an event before the result store is asked: events may be lost, results are not."""


@dataclass(slots=True)
class Run:
    """One run of a workflow: `root` is its tree, which changes while the workflow runs."""

    name: str
    workflow: Workflow
    root: Step
    signature: AnySignature
    result: Any = None
    seconds: float = 0.0
    skipped: str | None = None
    """Why it could not be run here; it has then done nothing wrong."""
    over: bool = False
    late: bool = False

    @property
    def ok(self) -> bool:
        """Whether it gave what it must, within its time, or was skipped."""
        return self.skipped is not None or (self.over and not self.late and self.workflow.accepts(self.result))


def prepare(name: str, workflow: Workflow) -> Run:
    """A run of `workflow` that has not been started."""
    signature = workflow.build()
    return Run(name, workflow, plan(signature), signature)


def execute(run: Run, app: Celery, events: EventStream, limit: float) -> None:
    """Start `run` and follow it until its last step has ended, or for `limit` seconds."""
    started = time.monotonic()
    if run.workflow.in_process:
        call_here(run.root, run.signature)
    elif run.root.has_chord and (reason := chords_refused(app)):
        run.skipped = reason
    else:
        result = run.signature.apply_async()
        run.late = not _follow(Progress(run.root), app, events, limit)
        result.forget()  # else the result store keeps it, and this process its subscription
    run.result = outcome(run.root)
    if run.workflow.missed(run.result):
        run.skipped = str(run.result)
    run.seconds = time.monotonic() - started
    run.over = True


def chords_refused(app: Celery) -> str | None:
    """Why `app`'s result backend cannot join a chord, as a sentence; None when it can."""
    try:
        app.backend.ensure_chords_allowed()
    except NotImplementedError:
        scheme = app.conf.result_backend.partition(":")[0]
        return f"{scheme}:// results cannot join a chord; set CELERY_RESULT_BACKEND to a redis:// URL."
    return None


def outcome(root: Step) -> Any:
    """What a workflow gave: the result of its last step, or the error of the first task that failed."""
    failed = next((step for step in root.tasks() if step.error and step.role in ("step", "body")), None)
    return failed.error if failed else _result(root)


def _result(step: Step) -> Any:
    if step.kind == "task":
        return step.result
    if step.kind == "group":
        return [_result(child) for child in step.children]
    return _result(step.children[-1])


def call_here(root: Step, function: Callable[[], Any]) -> None:
    """Call the only task of a workflow as a plain function, and note in `root` what became of it."""
    root.id, root.worker, root.started = None, "this process", time.time()
    try:
        root.result, root.state = function(), SUCCESS
    except Exception as error:
        root.error, root.state = repr(error), FAILURE
    root.ended = time.time()


def _follow(progress: Progress, app: Celery, events: EventStream, limit: float) -> bool:
    deadline = time.monotonic() + limit
    while not progress.root.settled:
        if time.monotonic() > deadline:
            return False
        changed = [progress.apply(event) for event in events.take(POLL_SECONDS)]
        if not any(changed):
            _read_results(progress, app, [step for step in progress.root.tasks() if step.state not in READY_STATES])
    # Events show values as text, cut short when they are long; the result store has them whole.
    _read_results(progress, app, [step for step in progress.root.tasks() if step.state in READY_STATES])
    return True


def _read_results(progress: Progress, app: Celery, steps: list[Step]) -> None:
    for step in steps:
        task_id = str(step.id)
        meta = app.backend.get_task_meta(task_id)
        if meta["status"] != PENDING:
            progress.record(task_id, meta)
