"""Calls with an answer: a request names the queue for its reply and an id to know it by.

A reply is JSON, or bytes as they are (a report, say) under the content type application/octet-stream. A reply of the
type "error" carries the sentence that the server failed with.
"""

import asyncio
import logging
import uuid
from abc import abstractmethod
from functools import partial
from typing import Any

from aio_pika import IncomingMessage
from aio_pika.abc import AbstractRobustChannel, AbstractRobustQueue

from app.messaging import body, shutdown
from app.messaging.body import Outgoing
from app.messaging.configuration import RpcClientConfig, RpcServerConfig
from app.messaging.connection import RabbitMQConnectionManager
from app.messaging.consumer import Consumer
from app.messaging.errors import (
    CallFailed,
    CallTimedOut,
    ConfigurationError,
    MessageNotJSON,
    MessageUnroutable,
    MessagingError,
)
from app.messaging.lifecycle import Service
from app.messaging.publisher import Publisher
from app.messaging.topology import ensure_queue

__all__ = ["RpcClient", "RpcClientConfig", "RpcServer", "RpcServerConfig"]

ERROR = "error"
BYTES_TYPE = "application/octet-stream"
REPLY_PREFETCH = 100
REPLY_TIMEOUT = 10.0
"""Seconds in which a reply has to be confirmed."""

logger = logging.getLogger(__name__)


class RpcClient(Service):
    """Calls a server: `async with RpcClient(config) as client: result = await client.call({...})`."""

    def __init__(self, config: RpcClientConfig) -> None:
        self.config = config
        self._manager: RabbitMQConnectionManager | None = None
        self._publisher: Publisher | None = None
        self._replies = Consumer(self._on_reply, REPLY_PREFETCH)
        self._waiting: dict[str, asyncio.Future[Any]] = {}

    async def start(self) -> None:
        """Join the connection of this process and open a temporary queue for the replies.

        Raises BrokerUnreachable, BrokerRefused.
        """
        if self._publisher is not None:
            raise ConfigurationError("This RpcClient is started already.")
        manager = await RabbitMQConnectionManager.shared(self.config.rabbit_url).acquire()
        try:
            self._replies = Consumer(self._on_reply, REPLY_PREFETCH)
            await self._replies.start(manager, _declare_replies)
        except BaseException:
            await manager.release()
            raise
        self._manager, self._publisher = manager, Publisher(manager, self.config.confirm_timeout or self.config.timeout)

    async def call(self, data: object) -> Any:
        """Send `data` as JSON and wait for the answer, up to `timeout` seconds.

        Raises CallFailed with what the server says, CallTimedOut, MessageNotJSON, MessageNotConfirmed when RabbitMQ
        does not take it within `confirm_timeout`, and MessageUnroutable when the queue does not exist, so that no
        server can ever answer.
        """
        if self._publisher is None:
            raise ConfigurationError("This RpcClient is not started: use it in `async with`, or call start().")
        call_id = uuid.uuid4().hex
        reply = self._waiting[call_id] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(self.config.timeout):
                await self._publisher.publish(self._request(data, call_id), self.config.queue_name)
                return _result(await reply)
        except TimeoutError:
            text = f"No answer from {self.config.queue_name!r} within {self.config.timeout:g} s."
            raise CallTimedOut(text) from None
        finally:
            del self._waiting[call_id]

    async def stop(self) -> None:
        """Leave the connection; calls that still wait raise CallFailed."""
        manager, self._manager, self._publisher = self._manager, None, None
        if manager is None:
            return
        for reply in self._waiting.values():
            if not reply.done():
                reply.set_exception(CallFailed("The client was stopped before the answer came."))
        await self._replies.stop(0)
        await manager.release()

    def _request(self, data: object, call_id: str) -> Outgoing:
        request = body.message(data, persistent=False)
        request.properties.correlation_id = call_id
        request.properties.reply_to = self._replies.queue_name
        # Nobody waits for it any longer than that; the protocol has milliseconds, as text.
        request.properties.expiration = str(round(self.config.timeout * 1000))
        return request

    async def _on_reply(self, message: IncomingMessage) -> None:
        reply = self._waiting.get(message.correlation_id or "")
        if reply is not None and not reply.done():
            reply.set_result(message)
        else:
            logger.info("A reply came that nobody waits for: it is late, or a second one.")
        await message.ack()


class RpcServer(Service):
    """Answers calls; subclass it and write `handler`.

    A handler that raises sends the error to the caller. A request without `reply_to` or `correlation_id` cannot be
    answered: it is logged and dropped. One whose body is not JSON is answered with an error.
    """

    def __init__(self, config: RpcServerConfig) -> None:
        self.config = config
        self._manager: RabbitMQConnectionManager | None = None
        self._consumer: Consumer | None = None

    @abstractmethod
    async def handler(self, data: Any) -> Any:
        """Do what `data` asks for; returns what JSON can express, or bytes. To be written by you."""

    async def start(self) -> None:
        """Begin to answer; does not block. SIGTERM then ends the process through `stop`, unless it is handled.

        Raises BrokerUnreachable, BrokerRefused, DeclarationDiffers.
        """
        if self._consumer is not None:
            raise ConfigurationError("This RpcServer is started already.")
        manager = await RabbitMQConnectionManager.shared(self.config.rabbit_url).acquire()
        try:
            consumer = Consumer(partial(self._answer, Publisher(manager, REPLY_TIMEOUT)), self.config.capacity)
            await consumer.start(manager, partial(self._declare, manager))
        except BaseException:
            await manager.release()
            raise
        self._manager, self._consumer = manager, consumer
        shutdown.stop_on_sigterm(self.stop)

    async def stop(self) -> None:
        """Take no more calls, let those that run end (up to `stop_timeout` seconds), and leave the connection."""
        consumer, self._consumer = self._consumer, None
        if consumer is None or self._manager is None:
            return
        await consumer.stop(self.config.stop_timeout)
        await self._manager.release()
        shutdown.stopped(self.stop)

    async def _declare(self, manager: RabbitMQConnectionManager, channel: AbstractRobustChannel) -> AbstractRobustQueue:
        queue = self.config.queue
        arguments = await ensure_queue(await manager.get_connection(), queue)
        return await channel.declare_queue(queue.name, durable=queue.durable, arguments=arguments)

    async def _answer(self, publisher: Publisher, request: IncomingMessage) -> None:
        if request.reply_to and request.correlation_id:
            await self._reply(publisher, request, await self._outcome(request))
        else:
            logger.warning("A request without reply_to or correlation_id cannot be answered, and is dropped.")
        await request.ack()

    async def _outcome(self, request: IncomingMessage) -> Outgoing:
        try:
            return _reply(await self.handler(body.decode(request.body)))
        except MessageNotJSON as error:
            return _error_reply(str(error))
        except Exception as error:
            logger.warning("A call failed: %r", error)
            return _error_reply(f"{type(error).__name__}: {error}")

    async def _reply(self, publisher: Publisher, request: IncomingMessage, reply: Outgoing) -> None:
        reply.properties.correlation_id = request.correlation_id
        try:
            await publisher.publish(reply, request.reply_to or "")
        except MessageUnroutable:
            logger.warning("Nobody waits for the answer of a call any more.")
        except MessagingError as error:
            logger.warning("The answer of a call could not be sent: %s", error)


async def _declare_replies(channel: AbstractRobustChannel) -> AbstractRobustQueue:
    return await channel.declare_queue(exclusive=True)


def _reply(result: Any) -> Outgoing:
    if isinstance(result, bytes):
        return body.outgoing(result, BYTES_TYPE, persistent=False)
    return body.message(result, persistent=False)


def _error_reply(text: str) -> Outgoing:
    # The text of an error may hold what no encoding takes; the caller must get an answer all the same.
    reply = body.message({"error": text.encode(errors="replace").decode()}, persistent=False)
    reply.properties.message_type = ERROR
    return reply


def _result(reply: IncomingMessage) -> Any:
    if reply.content_type == BYTES_TYPE:
        return reply.body
    data = body.decode(reply.body)
    if reply.type == ERROR:
        raise CallFailed(str(data.get("error")) if isinstance(data, dict) else str(data))
    return data
