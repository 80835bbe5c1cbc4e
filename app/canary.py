"""A task that does nothing, sent to see whether it comes back: a worker may answer a ping and work no more."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any, cast

from celery import Celery, uuid
from celery.states import READY_STATES
from kombu import Connection, Consumer, Queue

from app.connections import broker_connection, result_store
from app.queues import CANARY

Wait = Callable[[float], str | None]
"""Waits until a moment of the monotonic clock; returns the state in which the task has ended, None when it has not."""


def send_canary(app: Celery, seconds: float) -> str | None:
    """Send a canary and wait until it has been run, for `seconds` at most.

    Returns the state in which it ended, and None when it did not come back in time. Whoever is late does not run it.
    Raises what the broker or the result store raise when they cannot be reached.
    """
    deadline = time.monotonic() + seconds
    task_id = uuid()
    with broker_connection(app, seconds) as connection, _answers(app, connection, task_id, seconds) as wait:
        _send(app, connection, task_id, seconds)
        return wait(deadline)


def _send(app: Celery, connection: Connection, task_id: str, seconds: float) -> None:
    """Send it without Celery's retries, which go on for a minute, and without its shared connections."""
    message = app.amqp.create_task_message(task_id, CANARY, expires=seconds, reply_to=task_id)
    options = app.amqp.router.route({}, CANARY) | {"retry": False, "confirm_timeout": seconds}
    producer = app.amqp.Producer(connection, auto_declare=False)
    app.amqp.send_task_message(producer, CANARY, message, correlation_id=task_id, expiration=seconds, **options)


@contextmanager
def _answers(app: Celery, connection: Connection, task_id: str, seconds: float) -> Iterator[Wait]:
    client: Any = result_store(app, seconds)
    if client is None:
        queue = Queue(task_id, exclusive=True, auto_delete=True, durable=False)
        messages = list[Any]()
        with Consumer(connection, [queue], on_message=messages.append, accept=["json"], no_ack=True):
            yield lambda deadline: _from_broker(connection, messages, deadline)
        return
    with closing(client), client.pubsub(ignore_subscribe_messages=True) as listener:
        key = cast("Any", app.backend).get_key_for_task(task_id)
        listener.subscribe(key)
        try:
            yield lambda deadline: _from_store(listener, deadline)
        finally:
            client.delete(key)


def _from_broker(connection: Connection, messages: list[Any], deadline: float) -> str | None:
    while (left := deadline - time.monotonic()) > 0:
        try:
            connection.drain_events(timeout=left)
        except TimeoutError:
            return None
        if messages and (state := messages[-1].payload["status"]) in READY_STATES:
            return str(state)
    return None


def _from_store(listener: Any, deadline: float) -> str | None:
    while (left := deadline - time.monotonic()) > 0:
        message = listener.get_message(timeout=left)
        if message and (state := json.loads(message["data"])["status"]) in READY_STATES:
            return str(state)
    return None
