"""Consuming one queue: a bounded number of callbacks at once, and an end that waits for them."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import TypeAlias, cast

from aio_pika import IncomingMessage
from aio_pika.abc import AbstractIncomingMessage, AbstractRobustChannel, AbstractRobustQueue
from aio_pika.exceptions import CONNECTION_EXCEPTIONS

from app.messaging.connection import RabbitMQConnectionManager, open_channel
from app.messaging.errors import ConfigurationError
from app.messaging.topology import answered

MOST_IN_FLIGHT = 65_535
"""The largest prefetch that the protocol can express (AMQP 0-9-1, basic.qos)."""
PROTOCOL_TIMEOUT = 5.0
"""Seconds for what the broker answers at once when it is there."""

Callback: TypeAlias = Callable[[IncomingMessage], Awaitable[None]]
DeclareQueue: TypeAlias = Callable[[AbstractRobustChannel], Awaitable[AbstractRobustQueue]]

logger = logging.getLogger(__name__)


class Consumer:
    """A consumer with a channel of its own, which comes back when the connection does.

    At most `capacity` callbacks run at once; `prefetch` messages (by default as many) wait here for their turn. When
    the connection is lost the callbacks that run are cancelled, because RabbitMQ gives their messages to others.
    """

    def __init__(self, callback: Callback, capacity: int, prefetch: int | None = None) -> None:
        self._callback = callback
        self._prefetch = prefetch or capacity
        self._slots = asyncio.Semaphore(capacity)
        self._running: set[asyncio.Task[object] | None] = set()
        self._stopping = False
        self._channel: AbstractRobustChannel | None = None
        self._queue: AbstractRobustQueue | None = None
        self._tag = ""

    async def start(self, manager: RabbitMQConnectionManager, declare: DeclareQueue) -> None:
        """Open the channel, let `declare` declare the queue (and bind it) there, and consume; does not block.

        Raises what `declare` raises, and BrokerUnreachable when the connection breaks off or is not answered.
        """
        connection = await manager.get_connection()
        try:
            async with answered():
                self._channel = await open_channel(connection, confirms=False)
                await self._channel.set_qos(self._prefetch)
                self._queue = await declare(self._channel)
                self._tag = await self._queue.consume(self._on_message)
        except BaseException:
            await self._close()
            raise

    async def stop(self, limit: float) -> None:
        """Take no more messages, wait up to `limit` seconds for the callbacks that run, then cancel what is left.

        What was not acknowledged goes back to its queue. Raises ConfigurationError when a callback calls it, which
        could only wait for itself.
        """
        if asyncio.current_task() in self._running:
            raise ConfigurationError("A handler cannot stop its own worker: let another task do it.")
        self._stopping = True
        await self._cancel()
        running = {task for task in self._running if task is not None}
        if running and (late := (await asyncio.wait(running, timeout=limit))[1]):
            logger.warning("%d handlers did not end within %g s; their messages go back.", len(late), limit)
        await self._close()

    @property
    def queue_name(self) -> str:
        """The name of the queue; RabbitMQ knows a temporary one by it."""
        return self._queue.name if self._queue is not None else ""

    @property
    def running(self) -> int:
        """How many callbacks run or wait for their turn."""
        return len(self._running)

    async def _cancel(self) -> None:
        if self._queue is None:
            return
        with contextlib.suppress(TimeoutError, *CONNECTION_EXCEPTIONS):
            async with asyncio.timeout(PROTOCOL_TIMEOUT):
                await self._queue.cancel(self._tag)

    async def _close(self) -> None:
        if self._channel is None:
            return
        with contextlib.suppress(TimeoutError, *CONNECTION_EXCEPTIONS):
            async with asyncio.timeout(PROTOCOL_TIMEOUT):
                await self._channel.close()

    async def _on_message(self, message: AbstractIncomingMessage) -> None:
        task = asyncio.current_task()
        self._running.add(task)
        try:
            async with self._slots:
                if self._stopping:
                    await message.reject(requeue=True)
                else:
                    await self._callback(cast(IncomingMessage, message))
        except CONNECTION_EXCEPTIONS as error:
            logger.warning("A message is handled, but RabbitMQ cannot be told, and delivers it again: %r", error)
        except asyncio.CancelledError:
            logger.info("A handler is cancelled, because its channel closes; an unacknowledged message goes back.")
            raise
        finally:
            self._running.discard(task)
