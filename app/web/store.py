"""Asking the result store, and sending, from an event loop: in threads, and no longer than a request may take."""

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from celery import Celery
from celery.canvas import Signature

from app.sending import FAILURES, BrokerAway, send_within
from app.web.liveness import Liveness
from app.web.threads import Threads
from app.workflows.records import Records, open_records

PATIENCE = 1.8
"""Seconds that a request waits for a broker or a result store."""
STEP_SECONDS = 0.8
"""Seconds that one command to the result store may take; a lost connection makes that two."""
SHORTEST = 0.1
THREADS = 16
DOUBT = "it may have arrived all the same, so ask for its state, or try again later"

Answer = TypeVar("Answer")


class StoreAway(ConnectionError):
    """The result store does not answer; the message says so, and what to do."""


class Store:
    """The records of runs and tasks, and the way to send."""

    def __init__(self, app: Celery, liveness: Liveness) -> None:
        self._app = app
        self._liveness = liveness
        # What comes back over rpc:// comes to the thread that sent it.
        threads = THREADS if app.conf.result_backend.startswith("redis") else 1
        self._askers = Threads(threads, "store", self._leave_results_alone)
        self._senders = self._askers if threads == 1 else Threads(threads, "send", self._leave_results_alone)
        self._records: Records | None = None

    async def ask(self, question: Callable[[Records], Answer]) -> Answer:
        """What `question` answers when it is given the records; raises StoreAway when that fails or takes too long."""
        try:
            answer = await asyncio.wait_for(self._askers.call(partial(self._ask, question)), PATIENCE)
        except TimeoutError:
            raise self._away(f"no answer within {PATIENCE:g} seconds") from None
        except FAILURES as error:
            raise self._away(str(error) or type(error).__name__) from None
        self._liveness.note("results", "")
        return answer

    async def send(self, signature: Signature[Any], seconds: float = PATIENCE) -> None:
        """Send a task or a workflow.

        Raises app.sending.BrokerAway when that fails or takes longer than `seconds`.
        """
        deadline = time.monotonic() + seconds

        def send() -> None:
            send_within(signature, max(SHORTEST, deadline - time.monotonic()))

        try:
            await asyncio.wait_for(self._senders.call(send), seconds + SHORTEST)
        except TimeoutError:
            raise BrokerAway(f"No answer came from the broker within {seconds:g} seconds: {DOUBT}.", True) from None

    async def call(self, function: Callable[[], Answer]) -> Answer:
        """What `function` gives, called in a thread."""
        return await self._senders.call(function)

    def _ask(self, question: Callable[[Records], Answer]) -> Answer:
        if self._records is None:
            self._records = open_records(self._app, STEP_SECONDS)
        return question(self._records)

    def _leave_results_alone(self) -> None:
        """Nobody waits for a result in these threads: Celery need not subscribe to each that is sent for."""
        backend: Any = self._app.backend
        if hasattr(backend, "connparams"):
            backend.on_task_call = lambda producer, task_id: {}

    def _away(self, reason: str) -> StoreAway:
        address = self._app.backend.as_uri(include_password=False)
        sentence = f"The result store at {address} does not answer ({reason})."
        self._liveness.note("results", sentence)
        return StoreAway(f"{sentence} Try again when it is back.")
