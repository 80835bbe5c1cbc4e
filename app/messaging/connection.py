"""One connection to RabbitMQ for a process: robust, opened once, reopened when closed, closed cleanly."""

import asyncio
import errno
import logging
from typing import Literal, Self
from weakref import WeakKeyDictionary

from aio_pika import RobustConnection
from aio_pika.abc import AbstractRobustChannel, AbstractRobustConnection
from aio_pika.exceptions import AMQPError, AuthenticationError, InvalidFrameError, ProbableAuthenticationError
from aiormq.exceptions import ConnectionNotAllowed
from yarl import URL

from app.messaging.errors import BrokerRefused, BrokerUnreachable, ConfigurationError, MessagingError, masked

CONNECT_TIMEOUT = 10.0
"""Seconds until a broker that does not answer counts as unreachable."""
CLOSE_TIMEOUT = 5.0
RECONNECT_INTERVAL = 1.0
"""Seconds between two attempts to reach a broker that has gone away."""
HEARTBEAT = 30
"""Seconds; a peer that is silent for about three times as long is dead. The URL may say `?heartbeat=`."""

URL_FORM = "it has the form amqp://user:password@host:5672/virtual-host"

logger = logging.getLogger(__name__)


class RabbitMQConnectionManager:
    """A robust connection to one broker, and on it one channel for publishing, with confirms.

    Everything in a process (more exactly: in an event loop) that uses one URL shares one manager through `shared`,
    and so one TCP connection. Consumers open channels of their own on it, because a prefetch belongs to a channel.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: AbstractRobustConnection | None = None
        self._channel: AbstractRobustChannel | None = None
        self._channel_closed: asyncio.Future[Literal[True]] | None = None
        self._opening = asyncio.Lock()
        self._users = 0

    @classmethod
    def shared(cls, url: str) -> "RabbitMQConnectionManager":
        """The manager that the running event loop uses for `url`."""
        return _shared.setdefault(asyncio.get_running_loop(), {}).setdefault(url, cls(url))

    async def acquire(self) -> Self:
        """Open the connection, or join those who use it already.

        Raises as `get_connection` does.
        """
        await self.get_connection()
        self._users += 1
        return self

    async def release(self) -> None:
        """Leave; the last one who leaves closes the connection."""
        self._users -= 1
        if self._users == 0:
            await self.close_connection()

    async def get_connection(self) -> AbstractRobustConnection:
        """The connection, opened if it is not open.

        Raises BrokerUnreachable, BrokerRefused or, for a URL that cannot be used, ConfigurationError. After the first
        success a connection that is lost comes back by itself.
        """
        async with self._opening:
            if self._connection is None or self._connection.is_closed:
                self._channel = None
                self._connection = await _connect(self._url)
            connection = self._connection
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                await connection.ready()
        except TimeoutError:
            raise BrokerUnreachable(f"RabbitMQ at {masked(self._url)} is away.") from None
        return connection

    async def get_channel(self) -> AbstractRobustChannel:
        """The channel for publishing, opened if it is not open; an unroutable message raises PublishError on it.

        Raises as `get_connection` does.
        """
        if self._channel is not None and self._channel.is_closed:
            await asyncio.sleep(0)  # if it is closed for good, that is known in the next turn of the loop
        if channel := self.channel:
            return channel
        connection = await self.get_connection()
        async with self._opening:
            channel = self.channel
            if channel is None:
                channel = self._channel = await open_channel(connection, on_return_raises=True)
                self._channel_closed = asyncio.ensure_future(channel.closed())
            return channel

    async def close_connection(self) -> None:
        """Close the channel and the connection, in this order; a closed manager may be closed again."""
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None and not connection.is_closed:
            try:
                async with asyncio.timeout(CLOSE_TIMEOUT):
                    await connection.close()
            except (TimeoutError, AMQPError, OSError) as error:
                logger.debug("The connection to %s did not close cleanly: %r", masked(self._url), error)

    @property
    def channel(self) -> AbstractRobustChannel | None:
        """The channel, unless it or its connection was closed for good; one that is only cut off comes back."""
        if self._connection is None or self._connection.is_closed:
            return None
        if self._channel_closed is None or self._channel_closed.done():
            return None
        return self._channel


_shared: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, RabbitMQConnectionManager]] = WeakKeyDictionary()


async def open_channel(
    connection: AbstractRobustConnection, *, confirms: bool = True, on_return_raises: bool = False
) -> AbstractRobustChannel:
    """Open a channel that comes back together with the connection."""
    channel = connection.channel(publisher_confirms=confirms, on_return_raises=on_return_raises)
    await channel.initialize(timeout=CONNECT_TIMEOUT)
    return channel


async def _connect(url: str) -> AbstractRobustConnection:
    where = masked(url)
    connection = RobustConnection(_parsed(url), reconnect_interval=RECONNECT_INTERVAL)
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT):
            await connection.connect()
    except BaseException as error:
        await connection.close()
        if isinstance(error, AMQPError | OSError | EOFError):
            raise _failure(error, where) from None
        raise
    _report_losses(connection, where)
    return connection


def _failure(error: Exception, where: str) -> MessagingError:
    """What a failed attempt to connect means for the user."""
    if isinstance(error, TimeoutError):
        return BrokerUnreachable(f"RabbitMQ at {where} cannot be reached: no answer within {CONNECT_TIMEOUT:g} s.")
    if isinstance(error, AuthenticationError | ProbableAuthenticationError):
        return BrokerRefused(f"RabbitMQ at {where} refuses this user or password.")
    if isinstance(error, ConnectionNotAllowed | InvalidFrameError):
        # RabbitMQ closes the connection in the middle of opening it; aiormq reports the frame, not the reason in it.
        return BrokerRefused(f"RabbitMQ at {where} has no such virtual host, or does not let this user in.")
    if isinstance(error, OSError) and error.errno == errno.ECONNREFUSED:
        return BrokerUnreachable(f"RabbitMQ at {where} cannot be reached: nothing listens there.")
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
    return BrokerUnreachable(f"RabbitMQ at {where} cannot be reached: {reason}.")


def _report_losses(connection: RobustConnection, where: str) -> None:
    """Say in the log, once each, when the connection is lost and when it is back."""
    lost = asyncio.Event()

    def on_close(*_: object) -> None:
        if not connection.close_called and not lost.is_set():
            lost.set()
            logger.warning("The connection to RabbitMQ at %s is lost; trying to get it back.", where)

    def on_reconnect(*_: object) -> None:
        lost.clear()
        logger.warning("RabbitMQ at %s is back.", where)

    connection.close_callbacks.add(on_close)
    connection.reconnect_callbacks.add(on_reconnect)


def _parsed(url: str) -> URL:
    try:
        parsed = URL(url)
        if parsed.scheme == "pyamqp":  # Celery's name for the same thing
            parsed = parsed.with_scheme("amqp")
    except ValueError:
        raise ConfigurationError(f"The URL of RabbitMQ cannot be read; {URL_FORM}.") from None
    if parsed.scheme not in ("amqp", "amqps") or not parsed.host:
        raise ConfigurationError(f"{masked(url)!r} is no URL of RabbitMQ; {URL_FORM}.")
    return parsed if "heartbeat" in parsed.query else parsed.update_query(heartbeat=HEARTBEAT)
