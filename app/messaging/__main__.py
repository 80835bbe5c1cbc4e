"""`python -m app.messaging …`: the experiments with RabbitMQ, each role as its own program."""

from app.program import INTERRUPTED, run_program  # first, so that Ctrl-C is quiet while the rest is loaded

# isort: split
import argparse
import asyncio
import logging
import sys
from collections.abc import Coroutine

from app.messaging.command_line import parse_command_line
from app.messaging.errors import ConfigurationError, MessagingError
from app.messaging.roles.steps import tell_in_json, tell_in_words
from app.settings import SettingsError, get_settings

WITHOUT_RABBITMQ = (
    "No RabbitMQ is configured: set RABBITMQ_URL, as amqp://guest:guest@127.0.0.1:5672//, "
    "which is where `make rabbitmq` starts one."
)


def main() -> int:
    """Play one role. Returns 0 when it ended well, 1 when it could not do its part; exits with 2 for wrong use."""
    options = parse_command_line()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    for noisy in ("aio_pika", "aiormq"):  # they log each attempt to reconnect, with tracebacks; we say it once
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    try:
        url = get_settings().rabbitmq_url
        if url is None:
            return _refuse(WITHOUT_RABBITMQ, 1)
        asyncio.run(_role(options, url))
    except (SettingsError, ConfigurationError) as error:
        return _refuse(str(error), 2)
    except MessagingError as error:
        return _refuse(str(error), 1)
    except asyncio.CancelledError:
        return INTERRUPTED
    return 0


def _role(options: argparse.Namespace, url: str) -> Coroutine[None, None, None]:
    tell = (tell_in_json if options.json else tell_in_words)(options.name or options.role)
    role: Coroutine[None, None, None] = options.play(options, url, tell)
    return role


def _refuse(sentence: str, code: int) -> int:
    print(sentence, file=sys.stderr)
    return code


if __name__ == "__main__":
    run_program(main)
