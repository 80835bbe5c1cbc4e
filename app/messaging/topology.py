"""Declaring queues and exchanges so that a difference is a sentence and disturbs nobody else on the connection."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

from aio_pika.abc import AbstractConnection
from aio_pika.exceptions import CONNECTION_EXCEPTIONS, ChannelPreconditionFailed
from aiormq.abc import AbstractChannel
from aiormq.exceptions import ChannelAccessRefused, ChannelLockedResource

from app.messaging.errors import BrokerRefused, BrokerUnreachable, DeclarationDiffers
from app.messaging.names import Exchange, Queue

ANSWER_TIMEOUT = 30.0
"""Seconds for what a broker that is there answers at once; a cluster that is busy may take a while."""

QUORUM = {"x-queue-type": "quorum"}


async def ensure_exchange(connection: AbstractConnection, exchange: Exchange) -> None:
    """Declare `exchange`.

    Raises DeclarationDiffers when one of that name has other properties, BrokerRefused without the permission.
    """
    async with _channel_of_its_own(connection) as channel:
        await channel.exchange_declare(exchange.name, exchange_type=exchange.kind, durable=exchange.durable)


async def ensure_queue(
    connection: AbstractConnection, queue: Queue, arguments: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Declare `queue`, and return the arguments by which it can be declared again.

    A queue that exists keeps its type: classic or quorum, both keep what they confirm.
    Raises DeclarationDiffers when it has other properties, BrokerRefused without the permission.
    """
    extra = dict(arguments or {})
    wanted = extra | (QUORUM if queue.type == "quorum" else {})
    try:
        await _declare_queue(connection, queue, wanted)
    except DeclarationDiffers as difference:
        if "x-queue-type" not in str(difference):
            raise
        wanted = extra | (QUORUM if queue.type == "classic" else {})
        await _declare_queue(connection, queue, wanted)
    return wanted


async def _declare_queue(connection: AbstractConnection, queue: Queue, arguments: dict[str, Any]) -> None:
    async with _channel_of_its_own(connection) as channel:
        await channel.queue_declare(queue.name, durable=queue.durable, arguments=arguments)


async def ensure_binding(connection: AbstractConnection, queue: Queue, exchange: Exchange, key: str) -> None:
    """Bind `queue` to `exchange` by `key`; both are declared, and durable, so that the binding stays."""
    async with _channel_of_its_own(connection) as channel:
        await channel.queue_bind(queue.name, exchange.name, routing_key=key)


@contextlib.asynccontextmanager
async def answered() -> AsyncIterator[None]:
    """What is asked of RabbitMQ in this block is answered within a limit; else raises BrokerUnreachable."""
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT):
            yield
    except TimeoutError:
        raise BrokerUnreachable(f"RabbitMQ does not answer within {ANSWER_TIMEOUT:g} s.") from None
    except CONNECTION_EXCEPTIONS as error:
        raise BrokerUnreachable(f"The connection to RabbitMQ broke off: {error}.") from None


@contextlib.asynccontextmanager
async def _channel_of_its_own(connection: AbstractConnection) -> AsyncIterator[AbstractChannel]:
    """A channel below the robust ones: RabbitMQ closes it when it refuses, and then nothing tries to revive it."""
    async with answered():
        if connection.transport is None:
            raise ConnectionResetError("it is being opened or closed")
        channel = await connection.transport.connection.channel(publisher_confirms=False)
        try:
            yield channel
        except ChannelPreconditionFailed as error:
            raise DeclarationDiffers.from_reply(str(error)) from None
        except ChannelLockedResource:
            raise DeclarationDiffers("Another connection has that queue for itself alone: take another name.") from None
        except ChannelAccessRefused as error:
            raise BrokerRefused(f"RabbitMQ refuses the permission: {error}.") from None
        finally:
            await channel.close()
