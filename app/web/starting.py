"""Starting workflows, and calling them off."""

import asyncio
from collections.abc import Mapping
from typing import Any

from celery import Celery
from celery.canvas import Signature

from app.sending import BrokerAway
from app.task import REQUEST_ID
from app.web.following import Followed, Following
from app.web.liveness import Liveness
from app.web.store import Store
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
        root = plan(signature, headers={REQUEST_ID: request_id})
        followed = self._following.follow(LiveRun(name, root, workflow.expected_for(parameters)))
        run = followed.run
        if workflow.in_process:
            await self._store.call(lambda: call_here(root, signature))
            run.end()
        elif root.has_chord and (reason := chords_refused(self._app)):
            run.skip(reason)
        else:
            await self._send(followed, signature)
            return run
        await self._following.save(followed)
        return run

    async def start_signature(self, name: str, signature: Signature[Any], request_id: str) -> LiveRun:
        """Start a workflow that is in no catalogue, and of which no certain result is expected."""
        followed = self._following.follow(LiveRun(name, plan(signature, headers={REQUEST_ID: request_id}), None))
        await self._send(followed, signature)
        return followed.run

    async def revoke(self, followed: Followed) -> None:
        """Have nothing of a run begin any more; what a worker is doing already, it finishes.

        Raises BrokerAway when the workers cannot be told.
        """
        task_ids = followed.run.task_ids(open_only=True)
        await self._liveness.tell_workers(lambda connection: self._app.control.revoke(task_ids, connection=connection))
        followed.run.revoke()
        await self._following.save(followed)

    async def _send(self, followed: Followed, signature: Signature[Any]) -> None:
        task_ids = followed.run.task_ids(open_only=False)
        # Before anything is sent, so that no run is under way that nobody can find.
        await self._following.save(followed)
        await self._store.ask(lambda records: records.remember(task_ids))
        if len(task_ids) <= SMALL:
            await self._send_at_once(followed, signature)
        else:
            await self._send_meanwhile(followed, signature)

    async def _send_at_once(self, followed: Followed, signature: Signature[Any]) -> None:
        try:
            await self._store.send(signature)
        except BrokerAway as error:
            if not error.maybe_sent:
                followed.run.break_off(str(error))
            raise

    async def _send_meanwhile(self, followed: Followed, signature: Signature[Any]) -> None:
        try:
            await self._liveness.tell_workers(lambda connection: self._app.control.enable_events(connection=connection))
        except BrokerAway as error:
            followed.run.break_off(str(error))
            raise

        async def send() -> None:
            try:
                await self._store.send(signature, LONG_SENDING)
            except BrokerAway as error:
                followed.run.break_off(str(error))

        task = asyncio.create_task(send())
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)
