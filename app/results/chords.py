"""The chords that have been sent and have not ended, remembered in the result store."""

# mypy: disable-error-code="attr-defined"
# The stubs of celery leave out what a Redis backend has.

import time
from dataclasses import dataclass
from typing import Any

from celery.canvas import maybe_signature
from celery.result import AsyncResult
from celery.utils.functional import _regen

SPARE_SECONDS = 3600
"""For how much longer than its counts a chord is remembered: long enough to say that they have expired."""


@dataclass(frozen=True, slots=True)
class UnfinishedChord:
    """A chord that was sent: the id of its group, its body, its header's task ids in their order, its age in seconds.

    The header is empty where its tasks cannot be told beforehand: those of a generator, and groups in a group.
    """

    group_id: str
    body: Any
    header: list[str]
    age: float


def remember(backend: Any, group_id: str, header: Any, body: Any) -> None:
    """Remember a chord that is about to be sent; `header` are the results of its tasks."""
    record = backend.encode({"body": dict(body), "header": _task_ids(header)})

    def write() -> None:
        with backend.client.pipeline() as pipe:
            lifetime = int(backend.chord_expires or 0)
            pipe.set(_record_key(backend, group_id), record, ex=lifetime + SPARE_SECONDS if lifetime else None)
            pipe.zadd(_index_key(backend), {group_id: time.time()})
            pipe.execute()

    backend.ensure(write, ())


def forget(backend: Any, group_id: str) -> None:
    """Forget a chord, which has ended."""
    with backend.client.pipeline() as pipe:
        pipe.delete(_record_key(backend, group_id))
        pipe.zrem(_index_key(backend), group_id)
        pipe.execute()


def unfinished(backend: Any, older_than: float) -> list[UnfinishedChord]:
    """The chords that were sent more than `older_than` seconds ago and have not ended, the oldest first."""
    now = time.time()
    found = []
    for member, sent in backend.client.zrangebyscore(_index_key(backend), 0, now - older_than, withscores=True):
        group_id = member.decode()
        record = backend.decode(backend.client.get(_record_key(backend, group_id)))
        if record is None:
            forget(backend, group_id)
        else:
            body = maybe_signature(record["body"], app=backend.app)
            found.append(UnfinishedChord(group_id, body, record["header"], now - sent))
    return found


def _task_ids(header: Any) -> list[str]:
    if isinstance(header, _regen) or not all(isinstance(result, AsyncResult) for result in header):
        return []
    return [str(result.id) for result in header]


def _record_key(backend: Any, group_id: str) -> Any:
    return backend.get_key_for_group(group_id, ".unfinished")


def _index_key(backend: Any) -> Any:
    return backend.get_key_for_group("unfinished")
