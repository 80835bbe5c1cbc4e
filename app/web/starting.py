"""Starting workflows, and calling them off."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from celery import Celery, uuid
from celery.canvas import Signature
from fastapi import HTTPException
from kombu import Connection

from app.sending import BrokerAway
from app.task import REQUEST_ID, RUN_ID
from app.web.following import Followed, Following
from app.web.liveness import Liveness
from app.web.request_id import current_idempotency_key
from app.web.store import Store, StoreAway
from app.workflows.catalogue import WORKFLOWS
from app.workflows.live import LiveRun
from app.workflows.progress import plan
from app.workflows.run import call_here, chords_refused

SMALL = 100
"""Up to so many tasks are sent while the request waits; of more, the rest is sent when it has been answered."""
LONG_SENDING = 60.0
"""Seconds that sending a large workflow may take."""


class Starter:
    """Starts workflows, which are followed from then on."""

    def __init__(self, app: Celery, store: Store, following: Following, liveness: Liveness) -> None:
        self._app = app
        self._liveness = liveness
        self._store = store
        self._following = following
        self._sending: set[asyncio.Task[None]] = set()

    async def start(self, name: str, parameters: Mapping[str, float], request_id: str) -> LiveRun:
        """Start a workflow of the catalogue.

        Raises BrokerAway or StoreAway when that cannot be done now; ValueError when `parameters` are not its own.
        """
        workflow = WORKFLOWS[name]
        workflow.check(parameters)
        signature = workflow.build(**parameters)
        if run := await self._started(name):
            return run
        run_id = current_idempotency_key() or uuid()
        root = plan(signature, headers={REQUEST_ID: request_id, RUN_ID: run_id})
        run = LiveRun(name, root, workflow.expected_for(parameters), run_id)
        if workflow.in_process:
            await self._store.call(lambda: call_here(root, signature))
            run.end()
        elif root.has_chord and (reason := chords_refused(self._app)):
            run.skip(reason)
        followed = self._following.follow(run)  # a task that was called here has no id from then on
        if run.over:
            await self._following.save(followed)
        else:
            await self._send(followed, signature)
        return run

    async def start_signature(self, name: str, signature: Signature[Any], request_id: str) -> LiveRun:
        """Start a workflow that is in no catalogue, and of which no certain result is expected."""
        if run := await self._started(name):
            return run
        run_id = current_idempotency_key() or uuid()
        root = plan(signature, headers={REQUEST_ID: request_id, RUN_ID: run_id})
        followed = self._following.follow(LiveRun(name, root, None, run_id))
        await self._send(followed, signature)
        return followed.run

    async def revoke(self, followed: Followed) -> None:
        """Have nothing of a run begin any more; what a worker is doing already, it finishes.

        Over rpc:// only the workers that are up now are told.
        Raises BrokerAway when the workers cannot be told, and StoreAway when it cannot be kept for those to come.
        """
        task_ids = followed.run.task_ids(open_only=True)
        await self._liveness.tell_workers(lambda connection: self._app.control.revoke(task_ids, connection=connection))
        await self._store.ask(lambda records: records.call_off(followed.run.id))
        followed.run.revoke()
        await self._following.save(followed)

    async def _started(self, name: str) -> LiveRun | None:
        """The run that an earlier request with the same Idempotency-Key has started."""
        key = current_idempotency_key()
        followed = await self._following.find(key) if key else None
        if followed is None or followed.run.broken:
            return None
        if followed.run.name != name:
            raise HTTPException(422, f"This Idempotency-Key belongs to a run of {followed.run.name!r}: use another.")
        return followed.run

    async def _send(self, followed: Followed, signature: Signature[Any]) -> None:
        task_ids = followed.run.task_ids(open_only=False)
        with _noted_failure(followed.run):
            # Before anything is sent, so that no run is under way that nobody can find.
            await self._following.save(followed)
            await self._store.ask(lambda records: records.remember(task_ids))
            if len(task_ids) <= SMALL:
                await self._store.send(signature)
                return
            await self._liveness.tell_workers(self._ask_for_events)
        self._send_meanwhile(followed.run, signature)

    def _send_meanwhile(self, run: LiveRun, signature: Signature[Any]) -> None:
        async def send() -> None:
            with suppress(BrokerAway), _noted_failure(run):
                await self._store.send(signature, LONG_SENDING)

        task = asyncio.create_task(send())
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    def _ask_for_events(self, connection: Connection) -> None:
        self._app.control.broadcast("enable_events", connection=connection)


@contextmanager
def _noted_failure(run: LiveRun) -> Iterator[None]:
    """Note in the run that it could not be sent, or that nobody knows."""
    try:
        yield
    except StoreAway as error:
        run.break_off(str(error))
        raise
    except BrokerAway as error:
        if error.maybe_sent:
            run.doubt = str(error)
            error.where = {"id": run.id, "url": f"/api/runs/{run.id}"}
        else:
            run.break_off(str(error))
        raise
