"""Events: whoever publishes one does not know who listens, and every listener gets its own copy."""

import asyncio
from collections.abc import Mapping
from typing import Any

from app.messaging import body
from app.messaging.configuration import LoggerConfig, check
from app.messaging.connection import RabbitMQConnectionManager
from app.messaging.consumer import Consumer
from app.messaging.errors import ConfigurationError
from app.messaging.lifecycle import Service
from app.messaging.names import CRITICAL, INFO, Exchange
from app.messaging.publisher import CONFIRM_TIMEOUT, Publisher
from app.messaging.subscription import Bindings, Event, EventHandler, Match, Subscriber

__all__ = ["Event", "EventBus", "Logger", "LoggerConfig"]

STOP_TIMEOUT = 10.0
"""Seconds that a listener has, when it is stopped, for the event that it handles."""


class EventBus(Service):
    """One exchange: `publish` to it, `subscribe` to it; used as `async with EventBus(url, exchange) as bus`.

    Each subscription has a temporary queue of its own, exclusive to this connection: events that come while nobody
    listens are gone, and so are those that come while the connection is lost.
    """

    def __init__(self, rabbit_url: str, exchange: Exchange, confirm_timeout: float = CONFIRM_TIMEOUT) -> None:
        self.exchange = exchange
        self._url = rabbit_url
        self._timeout = confirm_timeout
        self._manager: RabbitMQConnectionManager | None = None
        self._publisher: Publisher | None = None
        self._consumers: list[Consumer] = []

    async def start(self) -> None:
        """Join the connection of this process and declare the exchange.

        Raises BrokerUnreachable, BrokerRefused, DeclarationDiffers.
        """
        check(self._publisher is None, "this bus is started already")
        manager = await RabbitMQConnectionManager.shared(self._url).acquire()
        publisher = Publisher(manager, self._timeout)
        try:
            await publisher.declare_exchange(self.exchange)
        except BaseException:
            await manager.release()
            raise
        self._manager, self._publisher = manager, publisher

    async def publish(
        self,
        data: object,
        routing_key: str = "",
        headers: Mapping[str, Any] | None = None,
        *,
        mandatory: bool = False,
    ) -> None:
        """Publish `data` as JSON; when it returns, RabbitMQ has it and has handed it out.

        Raises MessageNotJSON, MessageNotConfirmed, and MessageUnroutable when it is `mandatory` and nobody listens.
        """
        if self._publisher is None:
            raise ConfigurationError("This bus is not started: use it in `async with`, or call start().")
        # Temporary queues end with the broker, so the disk would gain nothing.
        event = body.message(data, headers, persistent=self.exchange.durable)
        await self._publisher.publish(event, routing_key, self.exchange.name, mandatory=mandatory)

    async def subscribe(
        self,
        handler: EventHandler,
        *binding_keys: str,
        headers: Mapping[str, Any] | None = None,
        match: Match = "all",
    ) -> str:
        """Have `handler` called for every event from now on that the bindings let through; returns the queue's name.

        A fanout exchange needs nothing, a direct one the keys, a topic one patterns (`*` for a word, `#` for any
        number of words), a headers one the `headers`, of which an event must have `all` or `any`. Events are handled
        one after the other; a handler that raises loses its event, and that is logged.
        Raises ConfigurationError for a binding that the exchange does not know.
        """
        if self._manager is None:
            raise ConfigurationError("This bus is not started: use it in `async with`, or call start().")
        bindings = Bindings(self.exchange, binding_keys, headers, match)
        consumer = Subscriber(handler).consumer
        await consumer.start(self._manager, bindings.declare)
        self._consumers.append(consumer)
        return consumer.queue_name

    async def stop(self) -> None:
        """End the subscriptions, let the handlers that run end, and leave the connection."""
        consumers, self._consumers = self._consumers, []
        await asyncio.gather(*(consumer.stop(STOP_TIMEOUT) for consumer in consumers))
        manager, self._manager, self._publisher = self._manager, None, None
        if manager is not None:
            await manager.release()


class Logger(Service):
    """Sends events of two levels to a bus, and gets all that anybody sends there; subclass it and write the handlers.

    The level is the routing key of a direct exchange. A logger listens to the levels for which its class has a
    handler: one without any only sends. Used as `async with`, or by `start` and `stop`.
    """

    def __init__(self, config: LoggerConfig) -> None:
        self.config = config
        self._bus = EventBus(config.rabbit_url, Exchange(config.name, "direct", config.durable))

    async def handle_info(self, data: Any) -> None:
        """Called for each event of the level info. To be written by you."""

    async def handle_critical(self, data: Any) -> None:
        """Called for each event of the level critical. To be written by you."""

    async def info(self, data: Mapping[str, Any]) -> None:
        """Send an event of the level info; raises MessageNotJSON, MessageNotConfirmed."""
        await self._bus.publish(data, INFO)

    async def critical(self, data: Mapping[str, Any]) -> None:
        """Send an event of the level critical; raises MessageNotJSON, MessageNotConfirmed."""
        await self._bus.publish(data, CRITICAL)

    async def start(self) -> None:
        """Begin to listen; does not block. Raises BrokerUnreachable, BrokerRefused, DeclarationDiffers."""
        await self._bus.start()
        levels = [level for level, written in self._written() if written]
        try:
            if levels:
                await self._bus.subscribe(self._handler, *levels)
        except BaseException:
            await self._bus.stop()
            raise

    async def stop(self) -> None:
        """Stop listening, let the handler that runs end, and leave the connection."""
        await self._bus.stop()

    async def _handler(self, event: Event) -> None:
        handle = self.handle_critical if event.routing_key == CRITICAL else self.handle_info
        await handle(event.data)

    def _written(self) -> list[tuple[str, bool]]:
        own = {INFO: self.handle_info, CRITICAL: self.handle_critical}
        inherited = (Logger.handle_info, Logger.handle_critical)
        return [(level, getattr(handle, "__func__", handle) not in inherited) for level, handle in own.items()]
