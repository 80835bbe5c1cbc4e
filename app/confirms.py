"""Publishing to RabbitMQ ahead of its confirmations: a group's messages wait for them together, not one by one.

Every message is confirmed all the same before its sender goes on, and sent again when the connection breaks off first.
Delivery tags count what a channel has published since it is in confirm mode
(https://www.rabbitmq.com/docs/confirms#publisher-confirms).
"""

# mypy: disable-error-code="attr-defined, has-type"
# The stubs of kombu leave out that its channels are py-amqp's, which has no types; those of celery what is private.

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, cast

import kombu.transport
from amqp import spec
from amqp.exceptions import MessageNacked, RecoverableConnectionError
from celery.app.amqp import _callback_publish_retry
from kombu import Connection, Producer
from kombu.transport import pyamqp

from app.writing import write_frames

WINDOW = 500
"""The most messages that wait for their confirmation at once: all of them may come twice when the connection breaks
off."""
CONFIRM_SECONDS = 60.0
"""A broker that has not confirmed by then is taken for dead."""
AHEAD = -1.0
"""The time-out of a message whose confirmation is waited for later."""
TOGETHER = -2.0
"""The same, of a message that may be written with those that come next."""


class Channel(pyamqp.Channel):
    """A channel that knows which of its messages the broker has not confirmed."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.published = 0
        self._unconfirmed: set[int] = set()
        self._refused: set[int] = set()
        self._must_tell = False
        self._is_together = False
        self.events["basic_ack"].add(self._on_ack)
        self.events["basic_nack"].add(self._on_nack)

    def basic_publish_confirm(self, *arguments: Any, confirm_timeout: float | None = None, **options: Any) -> None:
        """Publish, and wait up to `confirm_timeout` seconds for the confirmation; py-amqp's `basic_publish`.

        With the time-outs AHEAD and TOGETHER it waits only while too many others are unconfirmed.
        Raises MessageNacked, the broker's reason for a message that it gives back, and what a lost connection raises.
        """
        if not self._confirm_selected:
            self._confirm_selected = True
            self.confirm_select()
        self._is_together = confirm_timeout == TOGETHER
        self._basic_publish(*arguments, **options)
        self.published += 1
        self._unconfirmed.add(self.published)
        if confirm_timeout in (AHEAD, TOGETHER):
            self.wait_for_confirms(most=WINDOW)
        else:
            self.wait_for_confirms(seconds=confirm_timeout or CONFIRM_SECONDS)

    def wait_for_confirms(self, most: int = 0, seconds: float = CONFIRM_SECONDS) -> None:
        """Wait until no more than `most` messages are unconfirmed; raises as above, TimeoutError after `seconds`."""
        deadline = time.monotonic() + seconds
        while len(self._unconfirmed) > most:
            if self.connection is None:
                raise RecoverableConnectionError("the connection was lost before the broker's confirmation")
            self.connection.writer.flush()
            self.connection.drain_events(timeout=max(0.001, deadline - time.monotonic()))
        if self._must_tell:
            self._must_tell = False
            raise MessageNacked

    def send_method(self, sig: Any, *arguments: Any, **options: Any) -> Any:
        """Send a method of AMQP; only messages may be held, as everything else waits for an answer."""
        if sig != spec.Basic.Publish or not self._is_together or self.connection is None:
            return super().send_method(sig, *arguments, **options)
        with self.connection.writer.holding():
            return super().send_method(sig, *arguments, **options)

    def has_confirmed(self, delivery_tag: int) -> bool:
        """Whether the broker has the message of that tag."""
        return delivery_tag not in self._unconfirmed and delivery_tag not in self._refused

    def _on_ack(self, delivery_tag: int, multiple: bool) -> None:
        self._unconfirmed -= self._meant(delivery_tag, multiple)

    def _on_nack(self, delivery_tag: int, multiple: bool) -> None:
        self._refused |= self._meant(delivery_tag, multiple)
        self._unconfirmed -= self._refused
        self._must_tell = True

    def _meant(self, delivery_tag: int, multiple: bool) -> set[int]:
        return {tag for tag in self._unconfirmed if tag <= delivery_tag} if multiple else {delivery_tag}


class _Connection(pyamqp.Connection):
    Channel = Channel

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.frame_writer_cls = write_frames


class Transport(pyamqp.Transport):
    """kombu's transport over AMQP, with our channel."""

    Connection = _Connection


def install() -> None:
    """Have kombu use this transport for AMQP."""
    for scheme in ("amqp", "pyamqp", "amqps"):
        kombu.transport.TRANSPORT_ALIASES[scheme] = f"{__name__}:{Transport.__name__}"
        kombu.transport._transport_cache.pop(scheme, None)


@contextmanager
def confirmed_at_end(connection: Connection) -> Iterator["ProducerAhead"]:
    """A producer that does not wait for confirmations; at the end of the block everything that it sent is confirmed.

    Raises what publishing one message with confirmation raises.
    """
    producer = ProducerAhead(connection)
    yield producer
    producer.confirm()


class _Message(NamedTuple):
    channel: Channel
    tag: int
    body: Any
    options: dict[str, Any]

    @property
    def is_confirmed(self) -> bool:
        return self.channel.has_confirmed(self.tag)


class ProducerAhead(Producer):
    """A producer that does not wait for confirmations; while it `is_sending_group`, its messages are written together.

    A message is then held until the next one of the group, which may come much later, or until the last.
    """

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._sent: deque[_Message] = deque()
        self.is_sending_group = False

    def publish(self, body: Any, **options: Any) -> None:  # type: ignore[override]  # as Celery calls it
        """Publish, without waiting for the confirmation."""
        super().publish(body, **options | {"confirm_timeout": TOGETHER if self.is_sending_group else AHEAD})
        channel = cast(Channel, self.channel)
        if _callback_publish_retry.get():
            # In workers Celery tries by itself what follows from a task, but around this call alone.
            options["retry"] = True
        self._sent.append(_Message(channel, channel.published, body, options))
        while self._sent and self._sent[0].is_confirmed:
            self._sent.popleft()

    def maybe_declare(self, entity: Any, retry: bool = False, **retry_policy: Any) -> bool:
        """Declare a queue or an exchange, once on each connection; returns whether it was now.

        kombu looks that up with a copy of the entity: a sixth of the cost of a message.
        """
        connection = cast(Channel, self.channel).connection
        if connection and entity.can_cache_declaration and hash(entity) in connection.client.declared_entities:
            return False
        return bool(super().maybe_declare(entity, retry, **retry_policy))

    def confirm(self) -> None:
        """Wait until everything is confirmed; what the broker refused or did not get is sent again, one by one."""
        if not self._sent:
            return
        connection: Any = self.connection
        with connection._reraise_as_library_errors():  # as Celery does around publishing
            try:
                self._sent[-1].channel.wait_for_confirms()
            except connection.recoverable_connection_errors:  # a refused message is among them, and a time-out
                connection.collect()
            for message in self._sent:
                if not message.is_confirmed:
                    super().publish(message.body, **message.options)
