"""One subscription to an exchange: its bindings, its temporary queue, and the events as the handler gets them."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from aio_pika import IncomingMessage
from aio_pika.abc import AbstractRobustChannel, AbstractRobustQueue

from app.messaging import body
from app.messaging.configuration import check
from app.messaging.errors import MessageNotJSON
from app.messaging.names import LONGEST_NAME, Exchange

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


async def deliver(handler: EventHandler, message: IncomingMessage) -> None:
    """Give the event in `message` to `handler`; one that it cannot handle is logged, and gone."""
    event = Event(
        data=_data(message.body),
        exchange=message.exchange or "",
        routing_key=message.routing_key or "",
        headers=message.headers,
        message_id=message.message_id,
    )
    try:
        await handler(event)
    except Exception:
        logger.exception("An event of %r was not handled, and is gone.", event.exchange)
    await message.ack()


def _data(content: bytes) -> Any:
    try:
        return body.decode(content)
    except MessageNotJSON:
        return content.decode(errors="replace")
