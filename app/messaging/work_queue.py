"""A queue of work: clients put tasks into it, each task goes to one worker, and none is lost."""

import asyncio
import logging
from collections.abc import Mapping
from functools import partial
from typing import Any

from aio_pika import IncomingMessage
from aio_pika.abc import AbstractRobustChannel, AbstractRobustQueue

from app.messaging import body, shutdown
from app.messaging.configuration import WorkerClientConfig, WorkerConfig
from app.messaging.connection import RabbitMQConnectionManager
from app.messaging.consumer import Consumer
from app.messaging.errors import ConfigurationError, MessageNotJSON, MessageRejected
from app.messaging.lifecycle import Service
from app.messaging.publisher import Publisher
from app.messaging.redelivery import Redelivery, delivered_too_often
from app.messaging.topology import ensure_queue

__all__ = ["Worker", "WorkerClient", "WorkerClientConfig", "WorkerConfig"]

PAUSE = 1.0
"""Seconds before a task goes back that could be neither acknowledged nor put elsewhere."""

logger = logging.getLogger(__name__)


class WorkerClient(Service):
    """Puts tasks into a queue; used as `async with WorkerClient(config) as worker: await worker.put({...})`."""

    def __init__(self, config: WorkerClientConfig) -> None:
        self.config = config
        self._manager: RabbitMQConnectionManager | None = None
        self._publisher: Publisher | None = None

    async def start(self) -> None:
        """Join the connection of this process and declare the queue.

        Raises BrokerUnreachable, BrokerRefused, DeclarationDiffers.
        """
        if self._publisher is not None:
            raise ConfigurationError("This WorkerClient is started already.")
        manager = await RabbitMQConnectionManager.shared(self.config.rabbit_url).acquire()
        publisher = Publisher(manager, self.config.timeout)
        try:
            await publisher.declare_queue(self.config.queue)
        except BaseException:
            await manager.release()
            raise
        self._manager, self._publisher = manager, publisher

    async def put(self, data: Mapping[str, Any]) -> None:
        """Put `data` into the queue, as a persistent JSON message; when it returns, RabbitMQ has confirmed it.

        Raises MessageNotJSON, MessageUnroutable when the queue has been deleted, MessageNotConfirmed.
        """
        if self._publisher is None:
            raise ConfigurationError("This WorkerClient is not started: use it in `async with`, or call start().")
        await self._publisher.publish(body.message(data), self.config.queue_name)

    async def stop(self) -> None:
        """Leave the connection; a client that is stopped may be stopped again."""
        manager, self._manager, self._publisher = self._manager, None, None
        if manager is not None:
            await manager.release()


class Worker(Service):
    """Takes tasks from a queue; subclass it and write `handler`.

    A task is acknowledged after its handler has returned, so a worker that dies leaves it to the others: a handler
    may see a task twice, and must bear that. A handler that raises gets the task again after each of the retry
    delays, then the task goes to `<queue>.dead-letters` with the reason in the header `dead-letter-reason`. A body
    that is not JSON goes there at once, and so does a task whose handler raises MessageRejected. A handler need not
    acknowledge; one that does so itself takes the loss of its task, should it end before it is done, on itself.
    """

    def __init__(self, config: WorkerConfig) -> None:
        self.config = config
        self._manager: RabbitMQConnectionManager | None = None
        self._consumer: Consumer | None = None
        self._changing = asyncio.Lock()

    async def handler(self, msg: IncomingMessage) -> None:
        """Do the work of one task: `app.messaging.body.decode(msg.body)` is what was put. To be written by you."""
        raise NotImplementedError

    async def start(self) -> None:
        """Begin to take tasks; does not block. SIGTERM then ends the process through `stop`, unless it is handled.

        Raises BrokerUnreachable, BrokerRefused, DeclarationDiffers.
        """
        async with self._changing:
            if self._consumer is not None:
                raise ConfigurationError("This Worker is started already.")
            manager = await RabbitMQConnectionManager.shared(self.config.rabbit_url).acquire()
            try:
                redelivery = Redelivery(manager, Publisher(manager), self.config.queue, self.config.retry_delays)
                consumer = Consumer(partial(self._worker, redelivery), self.config.capacity)
                await consumer.start(manager, partial(self._declare, manager))
            except BaseException:
                await manager.release()
                raise
            self._manager, self._consumer = manager, consumer
            shutdown.stop_on_sigterm(self.stop)

    async def stop(self) -> None:
        """Take no more tasks, wait for the handlers that run (up to `stop_timeout` seconds), and leave the connection.

        Nothing is lost and nothing doubled; only a handler that is late is cancelled, and its task goes back.
        """
        async with self._changing:
            if self._consumer is None or self._manager is None:
                return
            await self._consumer.stop(self.config.stop_timeout)
            self._consumer = None
            await self._manager.release()
            shutdown.stopped(self.stop)

    async def on_retry(self, msg: IncomingMessage, error: BaseException, delay: float) -> None:
        """Called before a task gets another try in `delay` seconds; says so in the log."""
        logger.warning("Task %s failed and is tried again in %g s: %r", msg.message_id, delay, error)

    async def on_dead_letter(self, msg: IncomingMessage, reason: str) -> None:
        """Called before a task is put away; says so in the log."""
        logger.error("Task %s goes to the dead letters: %s", msg.message_id, reason)

    async def _declare(self, manager: RabbitMQConnectionManager, channel: AbstractRobustChannel) -> AbstractRobustQueue:
        queue = self.config.queue
        arguments = await ensure_queue(await manager.get_connection(), queue)
        return await channel.declare_queue(queue.name, durable=queue.durable, arguments=arguments)

    async def _worker(self, redelivery: Redelivery, msg: IncomingMessage) -> None:
        """Handle one message and see to what becomes of it; called for every message that arrives."""
        try:
            if reason := self._unfit(msg):
                await self._put_away(redelivery, msg, reason)
            elif failure := await self._handle(msg):
                await self._fail(redelivery, msg, failure)
            elif not msg.processed:
                await msg.ack()
        except Exception as error:
            # A message that is neither acknowledged nor rejected would take a place of the capacity for good.
            logger.warning("Task %s could not be settled, and goes back: %r", msg.message_id, error)
            await asyncio.sleep(PAUSE)
            if not msg.processed:
                await msg.reject(requeue=True)

    def _unfit(self, msg: IncomingMessage) -> str | None:
        if delivered_too_often(msg, self.config.most_deliveries):
            return f"Delivered {self.config.most_deliveries} times without an end: it may be what kills its workers."
        try:
            body.decode(msg.body)
        except MessageNotJSON as error:
            return str(error)
        return None

    async def _handle(self, msg: IncomingMessage) -> BaseException | None:
        try:
            await self.handler(msg)
        except Exception as error:
            return error
        except asyncio.CancelledError as error:
            # Something that the handler waited for was cancelled; when the handler itself is, the connection is lost.
            if (task := asyncio.current_task()) and task.cancelling():
                raise
            return error
        return None

    async def _fail(self, redelivery: Redelivery, msg: IncomingMessage, failure: BaseException) -> None:
        if isinstance(failure, MessageRejected):
            await self._put_away(redelivery, msg, str(failure))
            return
        delay = redelivery.next_delay(msg)
        if delay is None:
            await self._put_away(redelivery, msg, f"{type(failure).__name__}: {failure}")
            return
        await self.on_retry(msg, failure, delay)
        await redelivery.retry(msg, delay)

    async def _put_away(self, redelivery: Redelivery, msg: IncomingMessage, reason: str) -> None:
        await self.on_dead_letter(msg, reason)
        await redelivery.dead_letter(msg, reason)
