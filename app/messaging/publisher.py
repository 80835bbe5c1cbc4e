"""Publishing that ends with RabbitMQ's confirmation, or with an error."""

import asyncio
import logging
from typing import cast

from aio_pika.abc import AbstractRobustChannel
from aio_pika.exceptions import CONNECTION_EXCEPTIONS, DeliveryError, PublishError

from app.messaging.body import Outgoing
from app.messaging.connection import RabbitMQConnectionManager
from app.messaging.deadline import Deadline
from app.messaging.errors import MessageNotConfirmed, MessageUnroutable
from app.messaging.names import LONGEST_NAME, Exchange, Queue
from app.messaging.topology import answered, ensure_exchange, ensure_queue

CONFIRM_TIMEOUT = 30.0
"""Seconds for one message, a broker that restarts meanwhile included."""
WINDOW = 256
"""The most messages that wait for their confirmation at once. More are hardly faster, and all of them may come twice
when the connection breaks off."""
PAUSE = 0.1

logger = logging.getLogger(__name__)


class Publisher:
    """Publishes through the channel of a connection manager.

    A message whose confirmation was lost with the connection is sent again, with the same message id: it is never
    lost, and in that one case it can be there twice.
    """

    def __init__(self, manager: RabbitMQConnectionManager, timeout: float = CONFIRM_TIMEOUT) -> None:
        self._manager = manager
        self._timeout = timeout
        self._window = asyncio.Semaphore(WINDOW)
        self._deadline = Deadline(timeout)

    async def declare_exchange(self, exchange: Exchange) -> None:
        """Declare `exchange`, now and whenever the connection comes back; raises as `ensure_exchange` does."""
        await ensure_exchange(await self._manager.get_connection(), exchange)
        async with answered():
            channel = await self._manager.get_channel()
            await channel.declare_exchange(exchange.name, exchange.kind, durable=exchange.durable)

    async def declare_queue(self, queue: Queue) -> None:
        """Declare `queue`, now and (when a restart would lose it) whenever the connection comes back.

        Raises as `ensure_queue` does.
        """
        arguments = await ensure_queue(await self._manager.get_connection(), queue)
        if not queue.durable:
            async with answered():
                channel = await self._manager.get_channel()
                await channel.declare_queue(queue.name, durable=False, arguments=arguments)

    async def publish(self, message: Outgoing, routing_key: str, exchange: str = "", *, mandatory: bool = True) -> None:
        """Publish `message` and wait until RabbitMQ has it; the exchange "" leads to the queue named by the key.

        Raises MessageUnroutable when it is `mandatory` and no queue takes it, MessageNotConfirmed when RabbitMQ
        refuses it or does not confirm it within the time limit.
        """
        if len(routing_key.encode()) > LONGEST_NAME:
            raise MessageUnroutable(f"The routing key {routing_key[:40]!r}… is longer than {LONGEST_NAME} bytes.")
        task = cast("asyncio.Task[object]", asyncio.current_task())
        async with self._window:
            self._deadline.enter(task)
            try:
                await self._until_confirmed(task, message, routing_key, exchange, mandatory)
            except PublishError:
                raise MessageUnroutable(_unroutable(routing_key, exchange)) from None
            except DeliveryError:
                raise MessageNotConfirmed("RabbitMQ refuses the message: a queue is full, or has failed.") from None
            except asyncio.CancelledError:
                if not self._deadline.expired(task):
                    raise
                text = f"RabbitMQ did not confirm the message within {self._timeout:g} s; it may or may not have it."
                raise MessageNotConfirmed(text) from None
            finally:
                self._deadline.leave(task)

    async def _until_confirmed(
        self, task: asyncio.Task[object], message: Outgoing, routing_key: str, exchange: str, mandatory: bool
    ) -> None:
        while True:
            try:
                channel = self._manager.channel or await self._manager.get_channel()
                if not channel.is_closed:
                    await _publish(channel, message, routing_key, exchange, mandatory)
                    return
            except DeliveryError:
                raise
            except CONNECTION_EXCEPTIONS as error:
                logger.debug("Publishing again, because of %r", error)
            except asyncio.CancelledError:
                # A connection that breaks off cancels what waits on it; this task itself was not cancelled then.
                if task.cancelling():
                    raise
            await asyncio.sleep(PAUSE)


async def _publish(
    channel: AbstractRobustChannel, message: Outgoing, routing_key: str, exchange: str, mandatory: bool
) -> None:
    # The channel below: `Exchange.publish` does the same, and would make a message of its own class first.
    raw = await channel.get_underlay_channel()
    await raw.basic_publish(
        message.content,
        exchange=exchange,
        routing_key=routing_key,
        properties=message.properties,
        mandatory=mandatory,
    )


def _unroutable(routing_key: str, exchange: str) -> str:
    if exchange == "":
        return f"There is no queue {routing_key!r}: RabbitMQ gave the message back."
    return f"No queue of the exchange {exchange!r} takes the key {routing_key!r}: RabbitMQ gave the message back."
