"""Celery's events for as long as a process runs: one thread, which connects again by itself."""

from collections.abc import Callable
from threading import Event, Thread
from typing import Any

from celery import Celery

from app.connections import broker_connection
from app.sending import FAILURES
from app.workflows.events import Receiver

CONNECT_SECONDS = 5.0
SHORTEST_PAUSE = 0.2
LONGEST_PAUSE = 2.0
"""Seconds between two attempts at connecting."""


class Listener:
    """Hands every event of `app`'s broker to `heard`, in a thread of its own.

    What is sent while the broker is away is lost, and for the results to tell.
    """

    def __init__(self, app: Celery, heard: Callable[[dict[str, Any]], None]) -> None:
        self._app = app
        self._heard = heard
        self._receiver: Receiver | None = None
        self._stopped = Event()
        self._thread = Thread(target=self._listen, name="celery-events", daemon=True)

    def start(self) -> None:
        """Begin; returns at once, connected or not."""
        self._thread.start()

    def stop(self) -> None:
        """End, soon."""
        self._stopped.set()
        if self._receiver is not None:
            self._receiver.should_stop = True

    @property
    def is_ready(self) -> bool:
        """Whether events are being received."""
        return self._receiver is not None and self._receiver.ready.is_set()

    def _listen(self) -> None:
        pause = 0.0
        while not self._stopped.wait(pause):
            try:
                self._receive()
            except FAILURES:
                pause = min(max(2 * pause, SHORTEST_PAUSE), LONGEST_PAUSE)
            else:
                pause = SHORTEST_PAUSE

    def _receive(self) -> None:
        with broker_connection(self._app, CONNECT_SECONDS) as connection:
            self._receiver = receiver = Receiver(connection, handlers={"*": self._heard}, app=self._app)
            receiver.connect_max_retries = 1
            try:
                consumed: Any = receiver.consume(limit=None, timeout=None, safety_interval=0.1)  # type: ignore[func-returns-value]  # as above
                for _ in consumed:
                    pass
            finally:
                self._receiver = None
