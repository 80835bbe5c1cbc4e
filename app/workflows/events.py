"""Celery's events as they arrive, read in a thread of their own."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import Any

from celery import Celery
from celery.events.receiver import EventReceiver


class EventStream:
    """The events that workers send while it is open."""

    def __init__(self) -> None:
        self._events: SimpleQueue[dict[str, Any]] = SimpleQueue()

    def put(self, event: dict[str, Any]) -> None:
        """Add an event; the receiver's thread calls it."""
        self._events.put(event)

    def take(self, seconds: float) -> Iterator[dict[str, Any]]:
        """The events that are there, waiting up to `seconds` for the first."""
        try:
            yield self._events.get(timeout=seconds)
            while True:
                yield self._events.get_nowait()
        except Empty:
            return


@contextmanager
def event_stream(app: Celery, limit: float = 5.0) -> Iterator[EventStream]:
    """Read all events of `app`'s broker; once inside, no later event is missed.

    Raises TimeoutError when the broker does not take the subscription within `limit` seconds.
    """
    stream = EventStream()
    with app.connection_for_read() as connection:
        receiver = Receiver(connection, handlers={"*": stream.put}, app=app)
        thread = Thread(target=_receive, args=(receiver,), name="celery-events", daemon=True)
        thread.start()
        try:
            if not receiver.ready.wait(limit):
                raise TimeoutError(f"the broker did not take a subscription to events within {limit:g} seconds")
            yield stream
        finally:
            receiver.should_stop = True
            thread.join(limit)


class Receiver(EventReceiver):
    """A receiver that tells when no later event will be missed."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.ready = Event()

    def on_consume_ready(
        self, connection: Any, channel: Any, consumers: list[Any], wakeup: bool = True, **kwargs: Any
    ) -> None:
        """Tell that the subscription has been taken."""
        self.ready.set()


def _receive(receiver: Receiver) -> None:
    # The interval bounds how long it takes to notice that reading shall stop.
    consumed: Any = receiver.consume(limit=None, timeout=None, safety_interval=0.1)  # type: ignore[func-returns-value]
    # Without events a workflow is still followed, by its results: a lost connection is for the sender to report.
    with suppress(OSError, *receiver.connection.connection_errors):
        for _ in consumed:
            pass
