"""How a program that needs RabbitMQ runs: what it logs, and how it ends when it cannot do its part."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

from app.messaging.errors import ConfigurationError, MessagingError
from app.program import INTERRUPTED, MISUSED, refuse
from app.settings import Settings, SettingsError, get_settings

Part: TypeAlias = Callable[[str, Settings], Coroutine[Any, Any, None]]


def run_with_rabbitmq(part: Part, without: Callable[[], int], level: int) -> int:
    """Run `part`, which is given the URL of RabbitMQ and the settings, and log from `level` on.

    Returns the exit code: 0 when it ended well, 1 when it could not do its part, 2 for wrong settings, and what
    `without` returns where no RabbitMQ is configured.
    """
    logging.basicConfig(level=level, format="%(message)s")
    for noisy in ("aio_pika", "aiormq"):  # they log each attempt to reconnect, with tracebacks; we say it once
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    try:
        settings = get_settings()
        if settings.rabbitmq_url is None:
            return without()
        asyncio.run(part(settings.rabbitmq_url, settings))
    except (SettingsError, ConfigurationError) as error:
        return refuse(str(error), MISUSED)
    except MessagingError as error:
        return refuse(str(error))
    except asyncio.CancelledError:
        return INTERRUPTED
    return 0
