"""Whether broker, result store and workers are there, said in one sentence as soon as they are not.

What proves that the broker is there is of use itself: it asks the workers to send their events, also those that have
been started since.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from functools import partial
from typing import Any

from celery import Celery
from kombu import Connection

from app.connections import broker_connection, broker_uri
from app.sending import BrokerAway
from app.web.threads import Threads

PERIOD = 2.0
TROUBLED_PERIOD = 0.5
"""Seconds between two looks, when nothing was wrong at the last one and when something was."""
PATIENCE = 1.5
"""Seconds after which a broker that says nothing counts as away."""
WORKER_SILENCE = 5.0
"""Seconds without a heartbeat, of which a worker sends one every two, after which it counts as gone."""

NO_WORKER = "No worker has been heard of for a while: start one with `celery -A app worker`, or wait until it is back."


class Liveness:
    """What is wrong at the moment; `changed` is called when that changes."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self.changed: Callable[[], None] = lambda: None
        self._sentences: dict[str, str] = {}
        self._connection: Connection | None = None
        self._connected = ExitStack()
        self._prober = Threads(1, "liveness")
        self._probe: asyncio.Future[None] | None = None
        self._workers: dict[str, float] = {}
        self._workers_since = time.monotonic()

    @property
    def trouble(self) -> str:
        """What keeps workflows from moving; empty when nothing does."""
        return " ".join(self._sentences[kind] for kind in sorted(self._sentences))

    def note(self, kind: str, sentence: str) -> None:
        """Take in what is wrong with something; an empty sentence says that nothing is."""
        before = self.trouble
        self._sentences.pop(kind, None)
        if sentence:
            self._sentences[kind] = sentence
        if self.trouble != before:
            self.changed()

    def hear(self, event: Mapping[str, Any]) -> None:
        """Take in an event: who sends one is there."""
        name = event.get("hostname", "")
        if event["type"] == "worker-offline":
            self._workers.pop(name, None)
            self._look_for_workers()
        elif name and event["type"].startswith(("worker-", "task-")):
            self._workers[name] = time.monotonic()

    def has_trouble(self, kind: str) -> bool:
        """Whether something is wrong with the broker, the results or the workers."""
        return kind in self._sentences

    async def watch(self) -> None:
        """Look again and again, for ever."""
        while True:
            await self.check()
            await asyncio.sleep(TROUBLED_PERIOD if self._sentences else PERIOD)

    async def check(self) -> None:
        """Look now."""
        if self._probe is None or self._probe.done():
            self._probe = self._in_thread(self._ask_for_events)
        with suppress(BrokerAway):
            await self._outcome(self._probe)
            self._look_for_workers()

    async def tell_workers(self, tell: Callable[[Connection], Any]) -> None:
        """Have `tell` say something to all workers, over a connection; raises BrokerAway when it could not."""
        telling = self._in_thread(tell)
        try:
            await self._outcome(telling)
        finally:
            telling.cancel()

    async def _outcome(self, probe: "asyncio.Future[None]") -> None:
        done, _ = await asyncio.wait({probe}, timeout=PATIENCE)
        reason = f"no answer within {PATIENCE:g} seconds"
        if done and (error := probe.exception()):
            reason = str(error) or type(error).__name__
        elif done:
            self.note("broker", "")
            return
        self._workers_since = time.monotonic()
        self.note("workers", "")
        sentence = f"The broker at {broker_uri(self._app)} does not answer ({reason})."
        self.note("broker", sentence)
        raise BrokerAway(f"{sentence} Try again when it is back.", maybe_sent=False)

    def _in_thread(self, tell: Callable[[Connection], Any]) -> "asyncio.Future[None]":
        return self._prober.call(partial(self._tell, tell))

    def _tell(self, tell: Callable[[Connection], Any]) -> None:
        try:
            if self._connection is None:
                self._connection = self._connected.enter_context(broker_connection(self._app, PATIENCE))
            tell(self._connection)
        except Exception:
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.collect()  # without a word to a broker that may not answer
            self._connected.close()
            raise

    def _look_for_workers(self) -> None:
        now = time.monotonic()
        self._workers = {name: heard for name, heard in self._workers.items() if now - heard < WORKER_SILENCE}
        silent = not self._workers and now - self._workers_since > WORKER_SILENCE
        self.note("workers", NO_WORKER if silent else "")

    def _ask_for_events(self, connection: Connection) -> None:
        self._app.control.broadcast("enable_events", connection=connection)
