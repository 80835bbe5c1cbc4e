"""What becomes of a message that could not be handled: another try after a delay, or the dead-letter queue.

A message is acknowledged only after RabbitMQ has confirmed its copy, so a crash in between leaves two, never none.
"""

from collections.abc import Sequence
from typing import Any

from aio_pika import IncomingMessage

from app.messaging.body import PERSISTENT, Outgoing
from app.messaging.connection import RabbitMQConnectionManager
from app.messaging.names import Queue, dead_letter_queue, retry_queue
from app.messaging.publisher import Publisher
from app.messaging.topology import ensure_queue

RETRIES = "retries"
"""The header that counts the tries after the first one."""
REASON, FROM_QUEUE = "dead-letter-reason", "dead-letter-queue"
"""The headers of a dead letter: why nobody could handle it, and the queue that it came from."""
LONGEST_REASON = 1_000
"""Characters; a header must fit into one frame."""
DELIVERIES = "x-delivery-count"
"""RabbitMQ's header for how often a quorum queue has delivered a message before, without an end."""

OF_THE_BROKER = ("x-death", "x-first-death-", "x-last-death-", DELIVERIES)
"""What RabbitMQ wrote about the message so far; a copy begins anew, or it would be taken for a message in a cycle."""


class Redelivery:
    """Decides over the failed messages of one queue, by the delays (in seconds) before each further try."""

    def __init__(
        self, manager: RabbitMQConnectionManager, publisher: Publisher, queue: Queue, delays: Sequence[float]
    ) -> None:
        self._manager = manager
        self._publisher = publisher
        self._queue = queue
        self._delays = delays

    def next_delay(self, message: IncomingMessage) -> float | None:
        """Seconds until the next try of `message`, or None when it has had them all."""
        tries = _count(message, RETRIES)
        return self._delays[tries] if tries < len(self._delays) else None

    async def retry(self, message: IncomingMessage, delay: float) -> None:
        """Have `message` delivered again after `delay` seconds; raises as `Publisher.publish` does."""
        waiting = Queue(retry_queue(self._queue.name, delay), type="quorum")
        await ensure_queue(await self._manager.get_connection(), waiting, self._waiting_arguments(delay))
        again = _copy(message, {RETRIES: _count(message, RETRIES) + 1})
        await self._publisher.publish(again, waiting.name)
        await _done(message)

    async def dead_letter(self, message: IncomingMessage, reason: str) -> None:
        """Put `message` away with the reason in a header; raises as `Publisher.publish` does."""
        dead = Queue(dead_letter_queue(self._queue.name), type=self._queue.type)
        await ensure_queue(await self._manager.get_connection(), dead)
        shown = reason[:LONGEST_REASON].encode(errors="replace").decode()
        letter = _copy(message, {REASON: shown, FROM_QUEUE: self._queue.name})
        await self._publisher.publish(letter, dead.name)
        await _done(message)

    def _waiting_arguments(self, delay: float) -> dict[str, Any]:
        # At-least-once dead-lettering, which only quorum queues have, and only when they refuse what overflows:
        # the broker drops the message here after it is safe in the work queue.
        return {
            "x-message-ttl": round(delay * 1000),
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": self._queue.name,
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
        }


def delivered_too_often(message: IncomingMessage, limit: int) -> bool:
    """Whether `limit` deliveries of `message` have ended without an answer: it may be what kills its workers."""
    return _count(message, DELIVERIES) > limit


async def _done(message: IncomingMessage) -> None:
    # A handler in the documents' style, `async with message.process()`, has rejected it already.
    if not message.processed:
        await message.ack()


def _copy(message: IncomingMessage, headers: dict[str, Any]) -> Outgoing:
    properties = message.properties
    kept = {name: value for name, value in message.headers.items() if not name.startswith(OF_THE_BROKER)}
    properties.headers = kept | headers
    properties.delivery_mode = PERSISTENT
    properties.expiration = None
    properties.user_id = None  # RabbitMQ takes only the name of the connection's own user
    return Outgoing(message.body, properties)


def _count(message: IncomingMessage, header: str) -> int:
    value = message.headers.get(header)
    return value if isinstance(value, int) and value > 0 else 0
