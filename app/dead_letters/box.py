"""The queue of dead letters, open for one reader at a time."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from amqp.exceptions import ChannelError, NotFound, ResourceLocked
from celery import Celery
from kombu import Connection, Consumer, Exchange, Producer, Queue
from kombu.message import Message

from app.connections import broker_connection
from app.dead_letters.letter import DEATH, LIVES, DeadLetter, Death, death_header, read_letter
from app.queues import DEAD_LETTER_QUEUE, DEAD_LETTERS
from app.settings import AMQP_SCHEMES

CONNECT_SECONDS = 10.0
"""How long one step may take: to connect, or to have a message confirmed."""
READER = f"{DEAD_LETTERS}.reader"
"""The exclusive queue that whoever reads has meanwhile; it goes with its connection, however that ends."""
MOST_LETTERS = 65_535
"""As many as one consumer can hold. The broker gives all of them back in their order, also those of a killed one."""
IDLE_SECONDS = 0.3
"""When nothing has come for so long, what another reader has just given back is there, too."""
RETRY_SECONDS = 0.2
KEPT_PROPERTIES = ("reply_to", "correlation_id", "priority", "message_id", "timestamp", "type", "app_id")
BROKER_HEADERS = ("x-death", "x-first-death-", "x-last-death-", "x-delivery-count", "x-acquired-count")


class NoDeadLetters(Exception):
    """The broker keeps no dead letters; the message says why."""

    def __init__(self) -> None:
        super().__init__(
            "Only RabbitMQ keeps dead letters: on the embedded broker and on Redis, a task that is given up has its "
            "result say so and leaves nothing else behind."
        )


class BoxIsTaken(Exception):
    """Somebody else is reading the dead letters; the message says so."""

    def __init__(self) -> None:
        super().__init__("Somebody else is working on the dead letters: try again when they have finished.")


class Box:
    """The dead letters, which nobody else can read until this is closed; what is not removed goes back, in order."""

    def __init__(self, connection: Connection, channel: Any) -> None:
        self._channel = channel
        self._connection = connection
        self._producer = Producer(connection.channel(), auto_declare=False)

    def letters(self) -> list[DeadLetter]:
        """Every dead letter, the oldest first; at most 65,535 of them."""
        messages: list[Message] = []
        queue = Queue(DEAD_LETTERS, channel=self._channel)
        consumer = Consumer(self._channel, [queue], auto_declare=False, on_message=messages.append)
        count = min(self._channel.queue_declare(DEAD_LETTERS, passive=True).message_count, MOST_LETTERS)
        consumer.qos(prefetch_count=MOST_LETTERS)
        consumer.consume()
        while True:
            try:
                self._connection.drain_events(timeout=IDLE_SECONDS if len(messages) >= count else CONNECT_SECONDS)
            except TimeoutError:
                break
        consumer.cancel()  # what comes from now on is for the next reader
        return [read_letter(message) for message in messages]

    def send_again(self, letter: DeadLetter, changes: Mapping[str, object]) -> None:
        """Send a letter to the queue it came from, with changed headers; remove it once the broker has confirmed that.

        When this process is killed in between, there are two of it. Raises what the broker raises when it is not sent.
        """
        self._publish(letter.message, {**_own_headers(letter.message), **changes}, letter.death.queue)
        letter.message.ack()

    def try_again(self, letter: DeadLetter) -> None:
        """Send a letter to the queue it came from for one more life, and keep it here until it is known how that ends.

        When this process is killed in between, there are two of it. Raises what the broker raises when it is not sent.
        """
        self._publish(letter.message, _own_headers(letter.message) | {LIVES: letter.lives + 1}, letter.death.queue)
        self.note(letter, replace(letter.death, tried_since=time.time()))

    def note(self, letter: DeadLetter, death: Death) -> None:
        """Note on a letter what has become of it, which puts it behind all others."""
        headers = _own_headers(letter.message) | {DEATH: death_header(death), LIVES: letter.lives}
        self._publish(letter.message, headers, DEAD_LETTERS)
        letter.message.ack()

    def discard(self, letter: DeadLetter) -> None:
        """Remove a letter."""
        letter.message.ack()

    def _publish(self, message: Message, headers: dict[str, Any], queue: str) -> None:
        properties: dict[str, Any] = message.properties
        kept = {name: properties[name] for name in KEPT_PROPERTIES if properties.get(name) is not None}
        try:
            self._producer.publish(
                message.body,
                exchange=Exchange(""),
                routing_key=queue,
                headers=headers,
                content_type=message.content_type,
                content_encoding=message.content_encoding,
                delivery_mode=2,
                mandatory=True,
                confirm_timeout=CONNECT_SECONDS,
                retry=False,
                **kept,
            )
        except ChannelError:  # the confirmation of what was returned is still to come, and means nothing
            self._producer.revive(self._connection.channel())
            raise


@contextmanager
def open_box(app: Celery, patience: float) -> Iterator[Box]:
    """Be the only reader of the dead letters.

    Raises NoDeadLetters when the broker has none, Unreachable when it does not answer, and BoxIsTaken when somebody
    else has read them for `patience` seconds.
    """
    _require_rabbitmq(app)
    with broker_connection(app, CONNECT_SECONDS) as connection:
        _take(connection, patience)
        with connection.channel() as channel:
            DEAD_LETTER_QUEUE(channel).declare()
            yield Box(connection, channel)


def count_dead_letters(app: Celery, seconds: float) -> int | None:
    """How many dead letters there are, without those that somebody is reading; None when the broker keeps none.

    Raises Unreachable when it does not answer within a few `seconds`.
    """
    if not _over_amqp(app):
        return None
    with broker_connection(app, seconds) as connection:
        channel: Any = connection.channel()
        try:
            return int(channel.queue_declare(DEAD_LETTERS, passive=True).message_count)
        except NotFound:
            return 0


def _take(connection: Connection, patience: float) -> None:
    deadline = time.monotonic() + patience
    while True:
        channel: Any = connection.channel()
        try:
            channel.queue_declare(READER, exclusive=True, auto_delete=False, durable=False)
        except ResourceLocked:
            if time.monotonic() >= deadline:
                raise BoxIsTaken from None
            time.sleep(RETRY_SECONDS)
        else:
            return


def _require_rabbitmq(app: Celery) -> None:
    if not _over_amqp(app):
        raise NoDeadLetters


def _over_amqp(app: Celery) -> bool:
    return urlsplit(app.conf.broker_write_url).scheme in AMQP_SCHEMES


def _own_headers(message: Message) -> dict[str, Any]:
    """The headers that the sender gave it."""
    return {name: value for name, value in message.headers.items() if not name.startswith((*BROKER_HEADERS, DEATH))}
