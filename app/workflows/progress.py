"""A workflow as a tree of steps that knows how far each has come. It draws nothing and connects to nothing.

Celery's events carry no group or chord id, so no viewer can rebuild a chord from them. A signature, however, knows its
whole shape before anything is sent: `plan` gives every task its id there, and events then only fill in what happened.
"""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from celery import uuid
from celery.canvas import Signature, _chain, chord, group
from celery.states import EXCEPTION_STATES, FAILURE, PENDING, READY_STATES, RECEIVED, RETRY, REVOKED, STARTED, SUCCESS

from tasks.callbacks import ERRBACK_EVENT
from tasks.long_running import PROGRESS_EVENT, PROGRESS_STATE

Kind = Literal["task", "chain", "group", "chord"]
Role = Literal["step", "body", "link", "link_error"]

STATE_OF_EVENT = {
    "task-received": RECEIVED,
    "task-started": STARTED,
    "task-succeeded": SUCCESS,
    "task-failed": FAILURE,
    "task-retried": RETRY,
    "task-revoked": REVOKED,
    PROGRESS_EVENT: PROGRESS_STATE,
}


@dataclass(slots=True)
class Step:
    """One task of a workflow, or a chain, group or chord of steps.

    A task's children are its callbacks; a chord's are its header and, last, its body. Times are in seconds since the
    epoch, by the clock of the worker.
    """

    kind: Kind
    name: str
    role: Role = "step"
    id: str | None = None
    args: list[Any] = field(default_factory=list)
    children: "list[Step]" = field(default_factory=list)
    state: str = PENDING
    result: Any = None
    error: str | None = None
    worker: str | None = None
    started: float | None = None
    ended: float | None = None
    retries: int = 0
    done: int = 0
    total: int = 0

    def walk(self) -> "Iterator[Step]":
        """This step and all below it, in the order in which they are drawn."""
        yield self
        for child in self.children:
            yield from child.walk()

    def tasks(self) -> "Iterator[Step]":
        """The tasks among `walk`."""
        return (step for step in self.walk() if step.kind == "task")

    @property
    def seconds(self) -> float | None:
        """How long the task ran, or None when it has not ended."""
        return None if self.started is None or self.ended is None else max(0.0, self.ended - self.started)

    @property
    def header(self) -> "list[Step]":
        """The steps that run at the same time: a group's, or those that a chord's body waits for."""
        return [child for child in self.children if child.role == "step"]

    @property
    def has_chord(self) -> bool:
        """Whether the results of a group are joined anywhere in it."""
        return any(step.kind == "chord" for step in self.walk())

    @property
    def succeeded(self) -> bool:
        """Whether this step and all it consists of have succeeded; callbacks do not count."""
        if self.kind == "task":
            return self.state == SUCCESS
        return all(child.succeeded for child in self.children if child.role in ("step", "body"))

    @property
    def settled(self) -> bool:
        """Whether nothing more will happen in this step, callbacks included."""
        if self.kind == "task":
            return self.state in READY_STATES and all(child.settled for child in self._callbacks_due())
        if self.kind == "chain":
            return self._chain_settled()
        return all(child.settled for child in self.children)

    def _callbacks_due(self) -> "list[Step]":
        due = "link" if self.state == SUCCESS else "link_error"
        return [child for child in self.children if child.role == due]

    def _chain_settled(self) -> bool:
        """A chain ends with its last step, or with the first that did not succeed."""
        for child in self.children:
            if not child.settled:
                return False
            if not child.succeeded:
                return True
        return True


def plan(signature: Signature[Any], role: Role = "step") -> Step:
    """The tree of `signature`. Every task in it is given the id under which it will run."""
    if isinstance(signature, _chain):
        return Step("chain", "chain", role, children=[plan(task) for task in signature.tasks])
    if isinstance(signature, chord):
        header = signature.tasks.tasks if isinstance(signature.tasks, group) else signature.tasks
        body = plan(signature.body, "body")
        return Step("chord", "chord", role, children=[*map(plan, header), body])
    if isinstance(signature, group):
        return Step("group", "group", role, children=[plan(task) for task in signature.tasks])
    signature.set(task_id=uuid())
    callbacks = [
        plan(callback, option) for option in ("link", "link_error") for callback in signature.options.get(option) or ()
    ]
    return Step("task", str(signature.task), role, signature.id, list(signature.args), callbacks)


class Progress:
    """A planned workflow on its way: `root` is its tree, `apply` takes in one event."""

    def __init__(self, root: Step) -> None:
        self.root = root
        self._steps = {step.id: step for step in root.tasks()}

    def apply(self, event: Mapping[str, Any]) -> bool:
        """Take in one of Celery's task events, or one of ours. Returns whether it belonged to this workflow."""
        step = self._steps.get(event.get("failed") or event.get("uuid"))
        if step is None:
            return False
        if event["type"] == ERRBACK_EVENT:
            for errback in (child for child in step.children if child.role == "link_error"):
                errback.state, errback.result, errback.worker = SUCCESS, event["result"], step.worker
        elif (state := STATE_OF_EVENT.get(event["type"])) and step.state not in READY_STATES:
            _advance(step, state, event)
        return True

    def record(self, task_id: str, meta: Mapping[str, Any]) -> None:
        """Take in what the result store knows of a task, as Celery's `get_task_meta` gives it."""
        step = self._steps[task_id]
        if step.state in READY_STATES and meta["status"] not in READY_STATES:
            return
        step.state = meta["status"]
        step.worker = meta.get("worker") or step.worker
        if step.state == SUCCESS:
            step.result = meta["result"]
        elif step.state in EXCEPTION_STATES:
            step.error = repr(meta["result"])


def _advance(step: Step, state: str, event: Mapping[str, Any]) -> None:
    # Events of different senders overtake each other: a "received" may come after its "started".
    if not (state == RECEIVED and step.state != PENDING):
        step.state = state
    step.worker = event.get("hostname", step.worker)
    step.retries = event.get("retries", step.retries)
    step.done, step.total = event.get("done", step.done), event.get("total", step.total)
    if state == RECEIVED:
        step.args = _arguments(event.get("args")) or step.args
    elif state == STARTED:
        step.started = event["timestamp"]
    elif state in READY_STATES:
        step.ended = event["timestamp"]
    if state == SUCCESS:
        step.result = _value(event.get("result"))
    step.error = event.get("exception") if state in EXCEPTION_STATES else None


def _arguments(shown: str | None) -> list[Any]:
    """The arguments that an event shows as text; empty when it shows them cut short."""
    value = _value(shown)
    return list(value) if isinstance(value, tuple | list) else []


def _value(shown: str | None) -> Any:
    try:
        return ast.literal_eval(shown or "None")
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return shown
