"""Whether the broker and the result store can be reached, said in one sentence."""

from typing import Any

from celery import Celery
from kombu.exceptions import KombuError
from redis import Redis, RedisError

CONNECT_SECONDS = 4


class Unreachable(ConnectionError):
    """A server that is needed does not answer; the message says which one, and what to do."""


def broker_uri(app: Celery) -> str:
    """The broker's address, without its password."""
    return str(app.connection_for_write().as_uri())


def check_broker(app: Celery) -> None:
    """Connect to the broker once.

    Raises Unreachable when that fails or takes longer than a few seconds.
    """
    with app.connection_for_write(connect_timeout=CONNECT_SECONDS) as connection:
        try:
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=CONNECT_SECONDS)
        except (KombuError, OSError) as error:
            raise Unreachable(
                f"The broker at {connection.as_uri()} cannot be reached ({error}): "
                "start it, or correct CELERY_BROKER_URL, or unset it to use the embedded broker."
            ) from None


def check_results(app: Celery) -> None:
    """Ask the result store once; results over rpc:// come through the broker and are not asked for.

    Raises Unreachable when it does not answer within a few seconds.
    """
    client: Any = getattr(app.backend, "client", None)
    if not isinstance(client, Redis):
        return
    try:
        client.ping()
    except (RedisError, OSError) as error:
        raise Unreachable(
            f"The result store at {app.backend.as_uri(include_password=False)} cannot be reached ({error}): "
            "start it, or correct CELERY_RESULT_BACKEND."
        ) from None
