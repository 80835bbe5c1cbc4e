"""What an experiment asks of RabbitMQ itself: whether it is there, what waits in a queue, and to tidy up."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Self

from aio_pika.exceptions import CONNECTION_EXCEPTIONS, AMQPError
from aiormq import spec
from aiormq.abc import AbstractChannel
from aiormq.exceptions import ChannelNotFoundEntity, ChannelPreconditionFailed

from app.messaging.connection import RabbitMQConnectionManager
from app.messaging.errors import BrokerRefused, BrokerUnreachable
from app.messaging.names import Queue
from app.messaging.topology import ensure_queue

PERSISTENT = 2
"""The delivery mode of a message that goes to the disk (AMQP 0-9-1, basic class)."""


class Broker:
    """A connection of the experiments' own, used as `async with Broker(url)`.

    Every method raises BrokerUnreachable and BrokerRefused, with a sentence.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._manager = RabbitMQConnectionManager(url)

    async def check(self) -> None:
        """Raise an error unless RabbitMQ can be used."""
        await self._manager.get_connection()

    async def __aenter__(self) -> Self:
        await self._manager.acquire()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._manager.release()

    async def in_use(self, queue: str) -> bool | None:
        """Whether somebody listens to `queue` or something waits in it; None when there is no such queue."""
        async with self._channel() as channel:
            try:
                found = await channel.queue_declare(queue, passive=True)
            except ChannelNotFoundEntity:
                return None
        return bool(found.consumer_count or found.message_count)

    async def has_exchange(self, exchange: str) -> bool:
        """Whether there is such an exchange."""
        async with self._channel() as channel:
            try:
                await channel.exchange_declare(exchange, passive=True)
            except ChannelNotFoundEntity:
                return False
        return True

    async def persistent_messages(self, queue: str) -> int:
        """How many messages that go to the disk wait in the durable `queue`; they stay there.

        Raises DeclarationDiffers when the queue is not durable.
        """
        await ensure_queue(await self._manager.get_connection(), Queue(queue))
        count = 0
        async with self._channel() as channel:  # whose end gives the messages back
            while not isinstance((got := await channel.basic_get(queue)).delivery, spec.Basic.GetEmpty):
                count += got.header.properties.delivery_mode == PERSISTENT
        return count

    async def delete(self, queues: Iterable[str], exchanges: Iterable[str], *, unused: bool = False) -> None:
        """Delete them where they exist; `unused` spares what somebody uses, and a queue in which something waits."""
        # A refusal closes the channel, so each has its own.
        for queue in queues:
            with suppress(ChannelPreconditionFailed):
                async with self._channel() as channel:
                    await channel.queue_delete(queue, if_unused=unused, if_empty=unused)
        for exchange in exchanges:
            with suppress(ChannelPreconditionFailed):
                async with self._channel() as channel:
                    await channel.exchange_delete(exchange, if_unused=unused)

    @asynccontextmanager
    async def _channel(self) -> AsyncIterator[AbstractChannel]:
        """A channel below the robust ones, which may be closed by an answer that nobody minds."""
        try:
            transport = (await self._manager.get_connection()).transport
            if transport is None:
                raise ConnectionResetError("it is being opened or closed")
            channel = await transport.connection.channel(publisher_confirms=False)
            try:
                yield channel
            finally:
                await channel.close()
        except ChannelPreconditionFailed:
            raise
        except CONNECTION_EXCEPTIONS as error:
            raise BrokerUnreachable(f"The connection to RabbitMQ broke off: {error}.") from None
        except AMQPError as error:
            raise BrokerRefused(f"RabbitMQ refuses: {error}.") from None
