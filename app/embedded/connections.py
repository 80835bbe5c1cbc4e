"""Connections that join the embedded broker before they connect, and Celery's result backend over them."""

from typing import Any

import celery.backends.redis
import redis

from app.embedded.errors import EmbeddedBrokerError
from app.embedded.installation import DATA_DIRS
from app.embedded.membership import join


class JoinsFirst(redis.UnixDomainSocketConnection):
    """A connection to the embedded broker, which it joins, and starts if need be, each time it connects."""

    def _connect(self) -> Any:
        join(DATA_DIRS[self.path])
        return super()._connect()  # type: ignore[no-untyped-call]  # redis-py has no types for it

    def _error_message(self, exception: Exception) -> Any:
        if isinstance(exception, EmbeddedBrokerError):
            return str(exception)
        return super()._error_message(exception)  # type: ignore[no-untyped-call]  # as above


def joining(parameters: dict[str, Any]) -> dict[str, Any]:
    """`parameters` of a redis-py connection pool, with connections that join where they lead to an embedded broker."""
    if parameters.get("path") not in DATA_DIRS:
        return parameters
    # Before its class, not instead of it: kombu makes one of its own, which tells its event loop of lost connections.
    connection_class = type("EmbeddedBrokerConnection", (JoinsFirst, parameters["connection_class"]), {})
    return parameters | {"connection_class": connection_class}


class RedisBackend(celery.backends.redis.RedisBackend):
    """Celery's Redis result backend, joining where its results are in the embedded broker."""

    def _params_from_url(self, url: str, defaults: dict[str, Any]) -> dict[str, Any]:
        return joining(super()._params_from_url(url, defaults))  # type: ignore[misc]  # the stubs omit it
