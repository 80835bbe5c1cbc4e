"""What is kept of the runs of workflows, so that they are found again by another process, or after a restart.

Where results are in Redis, the embedded broker included, the records are beside them and expire as they do. Results
over rpc:// reach only who sent the task: there is nothing to share, and the records are in memory.
"""

# mypy: disable-error-code="attr-defined"
# The stubs of celery leave out what a result backend has.

import json
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from celery import Celery
from celery.states import PENDING, READY_STATES
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from app.connections import result_store
from app.task import called_off_key

KEEP_SECONDS = 24 * 3600
MOST_RUNS = 100
"""So many runs are listed; in memory, so many are kept."""
MOST_TASKS_IN_MEMORY = 10_000
BLOCK = 1000
REST_SECONDS = 0.5

Document = dict[str, Any]
Metas = dict[str, Mapping[str, Any]]


class Records(Protocol):
    """What is kept of runs and tasks. Every method may raise redis.RedisError, or OSError, when the store is away."""

    def save(self, run: Document) -> None:
        """Keep the document of a run, in the place of an earlier one."""

    def load(self, run_id: str) -> Document | None:
        """The document of a run; None when none is kept."""

    def recent(self) -> list[Document]:
        """The documents of the last runs, the newest first."""

    def remember(self, task_ids: Iterable[str]) -> None:
        """Note that these tasks are about to be sent."""

    def remembers(self, task_id: str) -> bool:
        """Whether that was noted of a task."""

    def call_off(self, run_id: str) -> None:
        """Have no task of a run begin any more, in a worker that is started later either."""

    def metas(self, task_ids: Sequence[str]) -> Metas:
        """What the result store knows of tasks, as Celery's `get_task_meta` gives it; tasks without a result miss."""


class SharedRecords:
    """Records beside the results, in Redis or Valkey."""

    def __init__(self, app: Celery, client: Redis) -> None:
        self._backend: Any = app.backend
        self._client = client

    def save(self, run: Document) -> None:
        """Keep the document of a run, in the place of an earlier one."""
        heading = {name: run[name] for name in ("id", "name", "state", "started", "ended")}
        with self._client.pipeline() as pipe:
            pipe.set(_run_key(run["id"]), json.dumps(run, default=repr), ex=KEEP_SECONDS)
            pipe.set(_heading_key(run["id"]), json.dumps(heading), ex=KEEP_SECONDS)
            pipe.zadd(INDEX, {run["id"]: run["started"]})
            pipe.zremrangebyrank(INDEX, 0, -MOST_RUNS - 1)
            pipe.zremrangebyscore(INDEX, 0, time.time() - KEEP_SECONDS)
            pipe.execute()

    def load(self, run_id: str) -> Document | None:
        """The document of a run; None when none is kept."""
        text: Any = self._client.get(_run_key(run_id))
        return json.loads(text) if text else None

    def recent(self) -> list[Document]:
        """The headings of the last runs, the newest first."""
        ids: Any = self._client.zrevrange(INDEX, 0, MOST_RUNS - 1)
        texts: Any = self._client.mget([_heading_key(member.decode()) for member in ids]) if ids else []
        return [json.loads(text) for text in texts if text]

    def remember(self, task_ids: Iterable[str]) -> None:
        """Note that these tasks are about to be sent."""
        with self._client.pipeline(transaction=False) as pipe:
            for task_id in task_ids:
                pipe.set(_task_key(task_id), 1, ex=KEEP_SECONDS)
            pipe.execute()

    def remembers(self, task_id: str) -> bool:
        """Whether that was noted of a task."""
        return bool(self._client.exists(_task_key(task_id)))

    def call_off(self, run_id: str) -> None:
        """Have no task of a run begin any more, in a worker that is started later either."""
        self._client.set(called_off_key(run_id), 1, ex=KEEP_SECONDS)

    def metas(self, task_ids: Sequence[str]) -> Metas:
        """What the result store knows of tasks, asked for a thousand at a time."""
        found: Metas = {}
        for start in range(0, len(task_ids), BLOCK):
            block = task_ids[start : start + BLOCK]
            texts: Any = self._client.mget([self._backend.get_key_for_task(task_id) for task_id in block])
            found |= {
                task_id: self._backend.decode_result(text) for task_id, text in zip(block, texts, strict=True) if text
            }
        return found


class OwnRecords:
    """Records in the memory of this process, for results over rpc://; to be used by one thread, which also sends."""

    def __init__(self, app: Celery) -> None:
        self._backend: Any = app.backend
        self._runs: OrderedDict[str, Document] = OrderedDict()
        self._tasks: OrderedDict[str, Mapping[str, Any] | None] = OrderedDict()
        """The tasks that were sent, and what was last heard of each: over rpc:// a result comes only once."""
        self._asked: dict[str, float] = {}

    def save(self, run: Document) -> None:
        """Keep the document of a run, in the place of an earlier one."""
        self._runs[run["id"]] = run
        while len(self._runs) > MOST_RUNS:
            self._runs.popitem(last=False)

    def load(self, run_id: str) -> Document | None:
        """The document of a run; None when none is kept."""
        return self._runs.get(run_id)

    def recent(self) -> list[Document]:
        """The documents of the last runs, the newest first."""
        return sorted(self._runs.values(), key=lambda run: -run["started"])

    def remember(self, task_ids: Iterable[str]) -> None:
        """Note that these tasks are about to be sent."""
        for task_id in task_ids:
            self._tasks.setdefault(task_id, None)
        while len(self._tasks) > MOST_TASKS_IN_MEMORY:
            oldest, _ = self._tasks.popitem(last=False)
            self._asked.pop(oldest, None)

    def remembers(self, task_id: str) -> bool:
        """Whether that was noted of a task."""
        return task_id in self._tasks

    def call_off(self, run_id: str) -> None:
        """Do nothing: a worker that is started later has no place to read it from."""

    def metas(self, task_ids: Sequence[str]) -> Metas:
        """What has come back of the tasks that this thread has sent."""
        for task_id in task_ids:
            if task_id in self._tasks and not self._has_ended(task_id) and self._is_due(task_id):
                meta = self._backend.get_task_meta(task_id)
                if meta["status"] != PENDING:
                    self._tasks[task_id] = meta
        return {task_id: meta for task_id in task_ids if (meta := self._tasks.get(task_id))}

    def _is_due(self, task_id: str) -> bool:
        """Celery puts back what is not final; asked again before it is there, it takes that for newer than the end."""
        now = time.monotonic()
        due = now - self._asked.get(task_id, 0.0) > REST_SECONDS
        if due:
            self._asked[task_id] = now
        return due

    def _has_ended(self, task_id: str) -> bool:
        return (self._tasks[task_id] or {}).get("status") in READY_STATES


def open_records(app: Celery, seconds: float) -> Records:
    """The records that belong to `app`'s results; no single step of asking for them takes longer than `seconds`."""
    client = result_store(app, seconds)
    if client is None:
        return OwnRecords(app)
    client.set_retry(Retry(NoBackoff(), 1))  # a connection that the store has closed meanwhile is replaced
    return SharedRecords(app, client)


INDEX = "weatherbeat:runs"


def _run_key(run_id: str) -> str:
    return f"weatherbeat:run:{run_id}"


def _heading_key(run_id: str) -> str:
    return f"weatherbeat:run-heading:{run_id}"


def _task_key(task_id: str) -> str:
    return f"weatherbeat:sent:{task_id}"
