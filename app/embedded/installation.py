"""Making a Celery application join the embedded broker whenever it connects to it."""

from pathlib import Path

import kombu.transport
from celery import Celery

from app.embedded.address import socket_path

DATA_DIRS: dict[str, Path] = {}
"""The embedded brokers of this process: the socket of each, and the folder to join it by."""


def install(app: Celery, data_dir: Path) -> None:
    """Have connections of `app` to `url(data_dir)`, for messages and for results, join that broker first.

    Other Redis URLs stay as they are. Nothing is started, and nothing connects, before Celery does.
    """
    DATA_DIRS[socket_path(data_dir)] = data_dir
    kombu.transport.TRANSPORT_ALIASES["redis"] = "app.embedded.transport:Transport"
    # An earlier connection has had kombu remember its own class.
    kombu.transport._transport_cache.pop("redis", None)  # type: ignore[attr-defined]  # the stubs omit what is private
    app.loader.override_backends = {
        "redis": "app.embedded.connections:RedisBackend",
        **app.loader.override_backends,
    }
