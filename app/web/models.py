"""What the answers consist of, for the OpenAPI document."""

from typing import Any, Literal

from pydantic import BaseModel, Field


class ParameterEntry(BaseModel):
    """A number that a workflow can be started with."""

    name: str
    type: Literal["integer", "number"]
    default: float
    minimum: float
    maximum: float


class WorkflowEntry(BaseModel):
    """A workflow that can be started."""

    name: str
    summary: str
    code: str = Field(description="The Python code that builds it.")
    needs_chords: bool
    refused: str | None = Field(description="Why it cannot run here, if so.")
    parameters: list[ParameterEntry]


class Started(BaseModel):
    """Where to look for what was started."""

    id: str
    url: str
    events: str


class Heading(BaseModel):
    """A run in one line; times are in seconds since the epoch."""

    id: str
    name: str
    state: Literal["running", "succeeded", "failed", "revoked", "skipped"]
    started: float
    ended: float | None


class Step(BaseModel):
    """A step of a run: a task, or a chain, a group or a chord of steps. Times are in seconds since the epoch."""

    key: str = Field(description="Its path in the tree; it stays the same.")
    id: str | None = Field(description="The id of the task.")
    kind: Literal["task", "chain", "group", "chord"]
    name: str
    role: Literal["step", "body", "link", "link_error"]
    args: list[Any]
    state: str = Field(description="Celery's state, or PROGRESS.")
    result: Any
    error: str | None
    worker: str | None
    started: float | None
    ended: float | None
    retries: int
    done: int = Field(description="Of a task that reports progress, or of the tasks of a group, so many are done …")
    total: int = Field(description="… out of so many; 0 when nobody says.")
    children: list["Step"]


class Run(Heading):
    """A run and each of its steps."""

    result: Any
    expected: Any = Field(description="What it must give; null where it need only succeed.")
    ok: bool | None = Field(description="Whether it gave what it must; null while it runs.")
    version: int = Field(description="It grows with every change, and is the id of the stream's events.")
    revoked: bool
    skipped: str | None = Field(description="Why it could not be run here, if so.")
    broken: str | None = Field(description="Why it could not be sent as a whole, if so.")
    root: Step


class TaskState(BaseModel):
    """How a task stands."""

    id: str
    task: str | None = Field(description="The name of the task, as soon as a worker has told it.")
    state: str = Field(description="Celery's state, or PROGRESS.")
    done: int
    total: int
    result: Any
    error: str | None
    worker: str | None
    retries: int
