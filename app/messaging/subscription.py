"""One subscription to an exchange: its bindings, its temporary queue, and the events as the handler gets them."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from aio_pika import IncomingMessage
from aio_pika.abc import AbstractRobustChannel, AbstractRobustQueue

from app.messaging import body
from app.messaging.configuration import check
from app.messaging.consumer import Consumer
from app.messaging.errors import MessageNotJSON
from app.messaging.names import LONGEST_NAME, Exchange

PREFETCH = 200
"""Events that wait here for their turn."""
ACKNOWLEDGED_TOGETHER = 50
"""Fewer than the prefetch, so that RabbitMQ never waits for us while we wait for it."""

Match: TypeAlias = Literal["all", "any"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Event:
    """What a subscriber gets."""

    data: Any
    """What was published; the text of a body that is not JSON, since others may publish here too."""
    exchange: str
    routing_key: str
    headers: Mapping[str, Any]
    message_id: str | None = None


EventHandler: TypeAlias = Callable[[Event], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Bindings:
    """What lets an event of `exchange` through; raises ConfigurationError for what that kind of exchange ignores."""

    exchange: Exchange
    keys: tuple[str, ...]
    headers: Mapping[str, Any] | None
    match: Match

    def __post_init__(self) -> None:
        kind, keys, headers = self.exchange.kind, self.keys, self.headers
        if kind == "headers":
            check(bool(headers) and not keys, "a headers exchange is bound by headers, at least one, and by no key")
        elif kind == "fanout":
            check(not keys and not headers, "a fanout exchange gives everything to everybody: it is bound by nothing")
        else:
            check(bool(keys) and not headers, f"a {kind} exchange is bound by keys, at least one, and by no headers")
        check(all(len(key.encode()) <= LONGEST_NAME for key in keys), f"a binding key has up to {LONGEST_NAME} bytes")

    async def declare(self, channel: AbstractRobustChannel) -> AbstractRobustQueue:
        """Declare a temporary queue with these bindings on `channel`, which brings both back with the connection."""
        exchange = self.exchange
        await channel.declare_exchange(exchange.name, exchange.kind, durable=exchange.durable)
        queue = await channel.declare_queue(exclusive=True)
        arguments = {**self.headers, "x-match": self.match} if self.headers else None
        for key in self.keys or ("",):
            await queue.bind(exchange.name, key, arguments=arguments)
        return queue


class Subscriber:
    """Gives each event to a handler; one that it cannot handle is logged, and gone.

    Events are handled one after the other, so one acknowledgement can stand for all up to it: it is sent when nothing
    else waits, or after some.
    """

    def __init__(self, handler: EventHandler) -> None:
        self._handler = handler
        self._unacknowledged = 0
        self.consumer = Consumer(self._on_message, capacity=1, prefetch=PREFETCH)

    async def _on_message(self, message: IncomingMessage) -> None:
        try:
            await self._handler(_event(message))
        except Exception:
            logger.exception("An event of %r was not handled, and is gone.", message.exchange)
        self._unacknowledged += 1
        if self._unacknowledged >= ACKNOWLEDGED_TOGETHER or self.consumer.running == 1:
            self._unacknowledged = 0
            await message.ack(multiple=True)


def _event(message: IncomingMessage) -> Event:
    return Event(
        data=_data(message.body),
        exchange=message.exchange or "",
        routing_key=message.routing_key or "",
        headers=message.headers,
        message_id=message.message_id,
    )


def _data(content: bytes) -> Any:
    try:
        return body.decode(content)
    except MessageNotJSON:
        return content.decode(errors="replace")
