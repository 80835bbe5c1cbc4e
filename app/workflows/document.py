"""A workflow's tree as a JSON document, and back: for whoever draws it elsewhere, and to find it again."""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

from celery.states import FAILURE, PENDING, READY_STATES, RECEIVED, REVOKED, STARTED, SUCCESS

from app.workflows.progress import Step

FIELDS = tuple(field.name for field in fields(Step) if field.name != "children")


def keyed(root: Step, key: str = "0") -> Iterator[tuple[str, Step]]:
    """Every step with its key: its path in the tree, which stays the same for as long as the tree exists."""
    yield key, root
    for position, child in enumerate(root.children):
        yield from keyed(child, f"{key}.{position}")


def step_document(key: str, step: Step) -> dict[str, Any]:
    """A step without its children; what is known of a chain, a group or a chord is what is known of its tasks."""
    document = {"key": key} | {name: getattr(step, name) for name in FIELDS}
    return document if step.kind == "task" else document | _summary(step)


def tree_document(step: Step, key: str = "0") -> dict[str, Any]:
    """A step with all below it."""
    children = [tree_document(child, f"{key}.{position}") for position, child in enumerate(step.children)]
    return step_document(key, step) | {"children": children}


def tree_of(document: Mapping[str, Any]) -> Step:
    """The tree of which `document` was made."""
    step = Step(**{name: document[name] for name in FIELDS})
    step.children = [tree_of(child) for child in document["children"]]
    if step.kind != "task":
        step.state, step.started, step.ended, step.done, step.total = PENDING, None, None, 0, 0
    return step


def _summary(step: Step) -> dict[str, Any]:
    tasks = [task for task in step.tasks() if task.role in ("step", "body")]
    started = [task.started for task in tasks if task.started is not None]
    ended = [task.ended for task in tasks if task.ended is not None]
    state = _state(step, tasks)
    return {
        "state": state,
        "started": min(started, default=None),
        "ended": max(ended, default=None) if state in READY_STATES else None,
        "done": sum(task.state in READY_STATES for task in tasks),
        "total": len(tasks),
    }


def _state(step: Step, tasks: list[Step]) -> str:
    if step.succeeded:
        return SUCCESS
    states = {task.state for task in tasks}
    if step.settled:
        return REVOKED if REVOKED in states and FAILURE not in states else FAILURE
    if states <= {PENDING, RECEIVED}:
        return RECEIVED if RECEIVED in states else PENDING
    return STARTED
