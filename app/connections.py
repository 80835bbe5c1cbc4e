"""Whether the broker and the result store can be reached, in one sentence; connections that wait a bounded time."""

import math
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any
from urllib.parse import urlsplit

from celery import Celery
from kombu import Connection
from kombu.exceptions import KombuError
from redis import Redis, RedisError

from app.embedded import EmbeddedBrokerError
from app.settings import AMQP_SCHEMES

CONNECT_SECONDS = 4.0


class Unreachable(ConnectionError):
    """A server that is needed does not answer; the message says which one, and what to do."""


def broker_uri(app: Celery) -> str:
    """The broker's address, without its password."""
    return str(app.connection_for_write().as_uri())


@contextmanager
def broker_connection(app: Celery, seconds: float) -> Iterator[Connection]:
    """A connection of its own to the broker, of which no single step waits longer than `seconds`.

    A name that the resolver does not answer for is the exception: nothing can bound that from within.
    Raises Unreachable when the broker does not let us in.
    """
    over_amqp = urlsplit(app.conf.broker_write_url).scheme in AMQP_SCHEMES
    limits = ("read_timeout", "write_timeout") if over_amqp else ("socket_timeout", "socket_connect_timeout")
    options = dict.fromkeys(limits, seconds)
    with app.connection_for_write(connect_timeout=seconds, transport_options=options) as connection:
        try:
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=math.ceil(seconds))
        except (KombuError, RedisError, OSError) as error:
            if _is_of_embedded(error):
                advice = "Set DATA_DIR to another folder, or CELERY_BROKER_URL to a broker."
                raise Unreachable(f"{error} {advice}") from None
            raise Unreachable(
                f"The broker at {connection.as_uri()} cannot be reached ({error}): "
                "start it, or correct CELERY_BROKER_URL, or unset it to use the embedded broker."
            ) from None
        yield connection


def _is_of_embedded(error: BaseException | None) -> bool:
    """Whether the embedded broker has said so, to redis-py, which has told kombu."""
    while error is not None and not isinstance(error, EmbeddedBrokerError):
        error = error.__cause__ or error.__context__
    return error is not None


def check_broker(app: Celery, seconds: float = CONNECT_SECONDS) -> None:
    """Connect to the broker once.

    Raises Unreachable when that fails or takes longer than a few `seconds`.
    """
    with broker_connection(app, seconds):
        pass


def result_store(app: Celery, seconds: float = CONNECT_SECONDS, **options: Any) -> Redis | None:
    """A client of its own for the result store that waits for at most `seconds`; None for results over rpc://.

    `options` are more of redis-py's, for its connections.
    """
    backend: Any = app.backend
    if not hasattr(backend, "connparams"):
        return None
    limits = dict.fromkeys(("socket_timeout", "socket_connect_timeout"), seconds)
    if "path" in backend.connparams:
        del limits["socket_connect_timeout"]  # a Unix socket has none
    client: Redis = backend._create_client(**(backend.connparams | limits | options))
    return client


def check_results(app: Celery, seconds: float = CONNECT_SECONDS) -> None:
    """Ask the result store once; results over rpc:// come through the broker and are not asked for.

    Raises Unreachable when it does not answer within a few `seconds`.
    """
    client = result_store(app, seconds)
    if client is None:
        return
    with closing(client):
        try:
            client.ping()
        except (RedisError, OSError) as error:
            raise Unreachable(
                f"The result store at {app.backend.as_uri(include_password=False)} cannot be reached ({error}): "
                "start it, or correct CELERY_RESULT_BACKEND."
            ) from None
