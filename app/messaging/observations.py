"""Announcing stored weather observations, so that others can follow the weather without asking."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from app.messaging.errors import MessageNotConfirmed
from app.messaging.event_bus import EventBus
from app.messaging.names import WEATHER, weather_key

ANNOUNCE_TIMEOUT = 5.0
"""Seconds for all observations of a run together, connecting included: the weather file does not wait for a broker."""


def announce(rabbit_url: str, rows: Iterable[Mapping[str, Any]]) -> int:
    """Publish each row of the weather file to the exchange `weather`; returns how many were published.

    A row needs `provider` and `place`. Nobody has to listen. For callers without an event loop.
    Raises MessagingError when RabbitMQ does not take them within the time limit; some may have been published.
    """
    return asyncio.run(_announce(rabbit_url, list(rows)))


async def _announce(rabbit_url: str, rows: list[Mapping[str, Any]]) -> int:
    try:
        async with asyncio.timeout(ANNOUNCE_TIMEOUT), EventBus(rabbit_url, WEATHER) as bus:
            await asyncio.gather(*(bus.publish(row, weather_key(row["provider"], row["place"])) for row in rows))
    except TimeoutError:
        text = f"RabbitMQ did not take the observations within {ANNOUNCE_TIMEOUT:g} s."
        raise MessageNotConfirmed(text) from None
    return len(rows)
