"""A workflow on its way, for many who watch it: every change has a number, so that each is told what it has missed."""

import time
from collections.abc import Mapping
from typing import Any

from celery import uuid
from celery.states import FAILURE, PENDING, READY_STATES, RECEIVED, REVOKED, SUCCESS

from app.workflows.catalogue import WORKFLOWS, fulfils
from app.workflows.document import keyed, step_document, tree_document, tree_of
from app.workflows.progress import Progress, Step
from app.workflows.run import outcome

VERSIONS_A_MILLISECOND = 2**12
"""Versions begin with the time, so that those of two processes, or of one that was started again, are not mixed up;
the product stays below the 2**53 up to which JavaScript counts."""
DOUBTFUL_SECONDS = 60.0
"""After so long without news, a run that may not have been sent was not."""
SILENT_SECONDS = 5.0
"""After so long without news, nothing more is expected of callbacks inside a failed task, nor of a revoked run."""

Document = dict[str, Any]


class LiveRun:
    """One run of a workflow: its tree, and since which version each of its steps is as it is.

    `expected` is the result it must give, or None where only success is expected; times are in seconds since the epoch.
    """

    def __init__(self, name: str, root: Step, expected: Any, run_id: str | None = None) -> None:
        self.id = run_id or uuid()
        self.name = name
        self.root = root
        self.expected = expected
        self.started = time.time()
        self.ended: float | None = None
        self.revoked = False
        self.skipped: str | None = None
        """Why it could not be run here; it has then done nothing wrong."""
        self.broken: str | None = None
        """Why it could not be sent as a whole."""
        self.doubt: str | None = None
        """Why nobody knows whether it was sent."""
        self.heard = time.monotonic()
        """When something was last heard of it."""
        self._first = self.version = int(time.time() * 1000) * VERSIONS_A_MILLISECOND
        self._progress = Progress(root)
        self._keys = {id(step): key for key, step in keyed(root)}
        self._steps = dict(keyed(root))
        self._changed: dict[str, int] = {}

    @classmethod
    def restored(cls, document: Mapping[str, Any]) -> "LiveRun":
        """The run that `document` shows, as far as it had come."""
        run = cls(document["name"], tree_of(document["root"]), document["expected"])
        run.id, run.started, run.ended = document["id"], document["started"], document["ended"]
        run.revoked, run.skipped, run.broken = document["revoked"], document["skipped"], document["broken"]
        run.version = run._first = max(run.version, document["version"] + 1)
        return run

    def task_ids(self, *, open_only: bool) -> list[str]:
        """The ids of its tasks; `open_only` leaves out those that have ended."""
        steps = self.root.tasks()
        return [step.id for step in steps if step.id and not (open_only and step.state in READY_STATES)]

    def step(self, task_id: str) -> Step:
        """The step that is this task."""
        return next(step for step in self.root.tasks() if step.id == task_id)

    def apply(self, event: Mapping[str, Any]) -> None:
        """Take in an event of Celery's, or one of ours."""
        if steps := self._progress.apply(event):
            self._note(*steps)

    def record(self, task_id: str, meta: Mapping[str, Any]) -> None:
        """Take in what the result store knows of one of its tasks."""
        if step := self._progress.record(task_id, meta):
            self._note(step)

    def skip(self, reason: str) -> None:
        """End it, because it cannot be run here."""
        self.skipped = reason
        self.end()

    def break_off(self, reason: str) -> None:
        """End it, because it could not be sent."""
        self.broken = reason
        self.end()

    def revoke(self) -> None:
        """Note that nothing of it shall be begun any more."""
        self.revoked = True
        self._note()

    def end(self) -> None:
        """Note that nothing more will happen."""
        if self.ended is None:
            self.ended = max((step.ended for step in self.root.tasks() if step.ended), default=time.time())
            self._note()

    @property
    def finished(self) -> bool:
        """Whether nothing more is to be expected of its steps."""
        if self.root.settled:
            return True
        silence = time.monotonic() - self.heard
        if self.doubt and silence > DOUBTFUL_SECONDS and all(step.state == PENDING for step in self.root.tasks()):
            self.broken = self.doubt
            return True
        is_called_off = self.revoked and not self._is_active()
        return silence > SILENT_SECONDS and (is_called_off or self._waits_for_errbacks_only())

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.ended is not None

    @property
    def result(self) -> Any:
        """What it gave, or why it gave nothing."""
        return self.skipped or self.broken or outcome(self.root)

    @property
    def ok(self) -> bool | None:
        """Whether it gave what it must, or could not be run here; None while nobody can say."""
        if not self.over:
            return None
        if self.expected is None:
            return self.broken is None and self.root.succeeded
        return self.broken is None and (self._was_skipped or fulfils(self.result, self.expected))

    @property
    def state(self) -> str:
        """How it stands, in one word: running, succeeded, failed, revoked or skipped."""
        if not self.over:
            return "running"
        if self._was_skipped:
            return "skipped"
        if self.ok:
            return "succeeded"
        was_revoked = self.revoked or any(step.state == REVOKED for step in self.root.tasks())
        return "revoked" if was_revoked else "failed"

    def heading(self) -> Document:
        """What a list of runs says of it."""
        return {name: getattr(self, name) for name in ("id", "name", "state", "started", "ended")}

    def document(self) -> Document:
        """All of it."""
        outcome_of_run = {name: getattr(self, name) for name in ("result", "expected", "ok", "version")}
        flags = {name: getattr(self, name) for name in ("revoked", "skipped", "broken")}
        return self.heading() | outcome_of_run | flags | {"root": tree_document(self.root)}

    def knows(self, version: int) -> bool:
        """Whether `version` is one of those that it has had here."""
        return self._first <= version <= self.version

    def changes(self, since: int) -> list[Document]:
        """The steps that have changed after that version, and those of which they are parts, without their children."""
        keys = {key for key, version in self._changed.items() if version > since}
        parents = {key.rsplit(".", depth)[0] for key in keys for depth in range(1, key.count(".") + 1)}
        return [step_document(key, self._steps[key]) for key in sorted(keys | parents)]

    @property
    def _was_skipped(self) -> bool:
        workflow = WORKFLOWS.get(self.name)
        return self.skipped is not None or (workflow is not None and workflow.missed(outcome(self.root)))

    def _note(self, *steps: Step) -> None:
        self.version += 1
        self.heard = time.monotonic()
        for step in steps:
            self._changed[self._keys[id(step)]] = self.version

    def _is_active(self) -> bool:
        return any(step.state not in READY_STATES | {PENDING, RECEIVED} for step in self.root.tasks())

    def _waits_for_errbacks_only(self) -> bool:
        """Celery calls some errbacks inside the failed task's worker: only an event tells that, and it may be lost."""
        silent = [
            child
            for step in self.root.tasks()
            for child in step.children
            if step.state == FAILURE and child.role == "link_error" and child.state == PENDING
        ]
        if not silent:
            return False
        for step in silent:
            step.state = SUCCESS
        is_settled = self.root.settled
        for step in silent:
            step.state = PENDING
        return is_settled
