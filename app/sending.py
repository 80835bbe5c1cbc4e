"""Sending with a limit, for whoever has no time to wait for a broker: a web request, say.

Celery sends until the broker is back, which a worker and beat want. Its time-outs are many and none covers all: finding
the address, connecting, opening a channel, declaring, being confirmed, and the result store, which chords need. Here
all of it happens in a thread, which is left alone when the time is over, and sends nothing more from then on.
"""

import math
import os
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from contextvars import ContextVar, copy_context
from typing import Any
from weakref import WeakKeyDictionary

from amqp.exceptions import AMQPError, ChannelError, MessageNacked
from celery import Celery
from celery.canvas import Signature
from kombu import Connection, Producer
from kombu.exceptions import KombuError
from redis import RedisError

SENDERS = 32
"""How many send at the same time in one process; while a broker hangs, so many threads wait for it at most."""
PAUSE = 0.1
"""Seconds between two attempts."""
FAILURES = (KombuError, AMQPError, MessageNacked, RedisError, OSError)

_slots = threading.BoundedSemaphore(SENDERS)
_sending: ContextVar["Sending | None"] = ContextVar("sending", default=None)
_idle: WeakKeyDictionary[Celery, deque[Connection]] = WeakKeyDictionary()
os.register_at_fork(after_in_child=_idle.clear)  # the connections are the parent's


class BrokerAway(ConnectionError):
    """A task was not sent in time; the message says why, and what to do.

    `maybe_sent` tells whether the broker may have it all the same, or a part of a workflow. `where` can be given the
    id and the url of what may have been sent.
    """

    def __init__(self, sentence: str, maybe_sent: bool) -> None:
        super().__init__(sentence)
        self.maybe_sent = maybe_sent
        self.where: dict[str, str] = {}


def send_within(signature: Signature[Any], seconds: float) -> Any:
    """Send a task or a workflow within `seconds`, whatever broker and result store do; returns its result.

    The signature keeps its ids: after a failure it may be sent again, in doubt too, as a task that has succeeded is
    not run again where results are kept in Redis.
    Raises BrokerAway when it could not be sent in time, and what Celery raises for a signature that cannot be sent.
    """

    def send() -> Any:
        if signature.id is None:
            signature.freeze()  # here, as the ids of a group are made with a look at the result store
        return signature.apply_async()

    return call_within(signature.app, seconds, send)


def call_within(app: Celery, seconds: float, send: Callable[[], Any]) -> Any:
    """Call `send`, which prepares and sends something of `app`, with the limit of `send_within`; returns its answer."""
    deadline = time.monotonic() + seconds
    sending = Sending(app, deadline)
    outcome: Future[Any] = Future()
    if not _slots.acquire(timeout=seconds):
        raise sending.failure(f"{SENDERS} others are waiting for it")
    threading.Thread(target=copy_context().run, args=(_run, sending, send, outcome), daemon=True).start()
    try:
        return outcome.result(timeout=max(0.0, deadline - time.monotonic()))
    except TimeoutError:
        sending.abandon()
        if outcome.done() and not outcome.exception():  # just now
            return outcome.result()
        raise sending.failure(f"no answer within {seconds:g} seconds") from None
    except FAILURES as error:
        raise sending.failure(str(error) or type(error).__name__) from error


def current_sending() -> "Sending | None":
    """What is being sent with a limit in this context, if anything."""
    return _sending.get()


def close_idle_connections(app: Celery) -> None:
    """Close the connections that `send_within` keeps for `app`."""
    for connection in _idle.pop(app, ()):
        connection.collect()


class Sending:
    """One call of `send_within`, which the application asks for the connection, and for what belongs to the caller."""

    def __init__(self, app: Celery, deadline: float) -> None:
        self.app = app
        self.deadline = deadline
        self.maybe_sent = False
        # Who sends waits for the result: replies are to come to its thread, not to that which sends.
        self.reply_to: str = app.thread_oid
        self.backend: Any = app.backend
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._producer: Producer | None = None

    @property
    def remaining(self) -> float:
        """Seconds until the deadline, and a little when it is over: no time-out is to become "none"."""
        return max(0.01, self.deadline - time.monotonic())

    @property
    def producer(self) -> Producer:
        """The producer to send with, connected as far as is known."""
        if self._producer is None:
            self._producer = _Producer(self, self._idle_connection() or self._new_connection())
        return self._producer

    def _idle_connection(self) -> Connection | None:
        with suppress(IndexError):
            return _idle.setdefault(self.app, deque()).pop()
        return None

    def _new_connection(self) -> Connection:
        connection = self.app.connection_for_write(connect_timeout=self.remaining)
        return connection.ensure_connection(max_retries=1, interval_start=0, timeout=math.ceil(self.remaining))

    def until_sent(self, send: Callable[..., Any]) -> Any:
        """Call `send`, for one message, until the broker has it or the time is over."""
        while True:
            try:
                producer = self.producer
                # A broker that has just started may lose a message that came before its queue was there.
                return send(producer=producer, retry=False, confirm_timeout=self.remaining / 2)
            except FAILURES:
                self.drop_connection()
                if self._over.wait(PAUSE) or time.monotonic() >= self.deadline:
                    raise

    def begin(self) -> None:
        """Note that a message is about to leave; raises TimeoutError when nobody waits for it any more."""
        with self._lock:
            if self._over.is_set():
                raise TimeoutError("given up")
            self.maybe_sent = True

    def abandon(self) -> None:
        """Let no further message leave, and wake the thread that waits for an answer."""
        with self._lock:
            self._over.set()
        connection = self._producer and self._producer.connection
        with suppress(AttributeError, OSError):  # not connected, any more, or not over a socket
            connection._connection.sock.shutdown(socket.SHUT_RDWR)  # type: ignore[union-attr]  # as above

    def drop_connection(self) -> None:
        """Close the connection: what it still has to say would be taken for an answer to the next message."""
        producer, self._producer = self._producer, None
        if producer is not None and producer.connection is not None:
            producer.connection.collect()

    def keep_connection(self) -> None:
        """Leave the connection to the next one who sends."""
        producer, self._producer = self._producer, None
        if producer is not None and producer.connection is not None:
            _idle.setdefault(self.app, deque()).append(producer.connection)

    def failure(self, reason: str) -> BrokerAway:
        """What to tell the caller."""
        broker = self.app.connection_for_write().as_uri()
        advice = (
            "it may have arrived all the same; send it again under the same id, or ask for its state"
            if self.maybe_sent
            else "nothing was sent; try again later"
        )
        return BrokerAway(
            f"The task could not be handed to the broker at {broker} ({reason}): {advice}.", self.maybe_sent
        )


class _Producer(Producer):
    """A producer that notes what may have been sent."""

    def __init__(self, sending: Sending, connection: Connection) -> None:
        super().__init__(connection, auto_declare=False)
        self._sending = sending

    def publish(self, *arguments: Any, **options: Any) -> Any:
        before = self._sending.maybe_sent
        self.channel  # noqa: B018 - opens it, with nothing sent yet
        self._sending.begin()
        try:
            return super().publish(*arguments, **options)
        except (ChannelError, MessageNacked):  # the broker has refused it
            self._sending.maybe_sent = before
            raise


def _run(sending: Sending, send: Callable[[], Any], outcome: "Future[Any]") -> None:
    _sending.set(sending)
    try:
        result = send()
        sending.keep_connection()
        outcome.set_result(result)
    except Exception as error:
        sending.drop_connection()
        outcome.set_exception(error)
    finally:
        _slots.release()
