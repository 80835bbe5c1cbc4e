"""A workflow as a tree of steps that knows how far each has come. It draws nothing and connects to nothing.

Celery's events carry no group or chord id, so no viewer can rebuild a chord from them. A signature, however, knows its
whole shape before anything is sent: `plan` gives every task its id there, and events then only fill in what happened.
"""

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
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


def plan(signature: Signature[Any], role: Role = "step", headers: Mapping[str, str] | None = None) -> Step:
    """The tree of `signature`. Every task in it is given the id under which it will run, and the `headers`."""

    def parts(tasks: Iterable[Signature[Any]]) -> list[Step]:
        return [plan(task, headers=headers) for task in tasks]

    if isinstance(signature, _chain):
        return Step("chain", "chain", role, children=parts(signature.tasks))
    if isinstance(signature, chord):
        header = signature.tasks.tasks if isinstance(signature.tasks, group) else signature.tasks
        body = plan(signature.body, "body", headers)
        return Step("chord", "chord", role, children=[*parts(header), body])
    if isinstance(signature, group):
        return Step("group", "group", role, children=parts(signature.tasks))
    signature.set(task_id=uuid())
    if headers:
        signature.set(headers=dict(headers))
    callbacks = [
        plan(callback, option, headers)
        for option in ("link", "link_error")
        for callback in signature.options.get(option) or ()
    ]
    return Step("task", str(signature.task), role, signature.id, list(signature.args), callbacks)


class Progress:
    """A planned workflow on its way: `root` is its tree, `apply` takes in one event."""

    def __init__(self, root: Step) -> None:
        self.root = root
        self._steps = {step.id: step for step in root.tasks()}

    def apply(self, event: Mapping[str, Any]) -> list[Step]:
        """Take in one of Celery's task events, or one of ours. Returns the steps of this workflow that it changed."""
        step = self._steps.get(event.get("failed") or event.get("uuid"))
        if step is None:
            return []
        if event["type"] == ERRBACK_EVENT:
            errbacks = [child for child in step.children if child.role == "link_error"]
            for errback in errbacks:
                errback.state, errback.result, errback.worker = SUCCESS, event["result"], step.worker
            return errbacks
        state = STATE_OF_EVENT.get(event["type"])
        if state == STARTED and step.state in READY_STATES and step.started is None:
            step.started = event["timestamp"]  # its result was read before this event arrived
        elif state is None or step.state in READY_STATES:
            return []
        else:
            _advance(step, state, event)
        return [step]

    def record(self, task_id: str, meta: Mapping[str, Any]) -> Step | None:
        """Take in what the result store knows of a task, as Celery's `get_task_meta` gives it.

        Returns the step, or None when nothing about it has changed.
        """
        step = self._steps[task_id]
        if step.state in READY_STATES and meta["status"] not in READY_STATES:
            return None
        before = replace(step)
        step.state = meta["status"]
        step.worker = meta.get("worker") or step.worker
        step.args = meta.get("args") or step.args  # with what a chain or a chord has handed on, which an event may lack
        step.retries = meta.get("retries") or step.retries
        step.error = repr(meta["result"]) if step.state in EXCEPTION_STATES else None
        if step.state == SUCCESS:
            step.result = meta["result"]
        elif step.state == PROGRESS_STATE and isinstance(meta["result"], dict):
            step.done, step.total = meta["result"].get("done", 0), meta["result"].get("total", 0)
        if step.state in READY_STATES and step.ended is None:
            step.ended = _timestamp(meta.get("date_done"))
        return None if step == before else step


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


def _timestamp(date: str | datetime | None) -> float | None:
    """Seconds since the epoch of what a result says of its end, in UTC."""
    if isinstance(date, str):
        date = datetime.fromisoformat(date)
    if date is None:
        return None
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()


def _arguments(shown: str | None) -> list[Any]:
    """The arguments that an event shows as text; empty when it shows them cut short."""
    value = _value(shown)
    return list(value) if isinstance(value, tuple | list) else []


def _value(shown: str | None) -> Any:
    try:
        return ast.literal_eval(shown or "None")
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return shown
