"""A connection to the result store for each thread: to take one from a pool is a tenth of the cost of a short task."""

import os
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from redis import RedisError

IDLE_SECONDS: Final = 1.0
"""Seconds without a command after which the store may have ended the connection."""


class OwnConnection(threading.local):
    """The calling thread's connection; a fork makes its own."""

    def __init__(self, create: Callable[[], Any]) -> None:
        """Take connections from the redis-py clients that `create` makes, when there is something to say."""
        self._create = create
        self._process = 0
        self._used = 0.0

    @property
    def client(self) -> Any:
        """A client of redis-py with that connection alone, except for its pipelines."""
        if self._process != os.getpid():
            self._client = self._create().client()
            self._process = os.getpid()
        elif time.monotonic() - self._used > IDLE_SECONDS:
            self._end_if_useless()
        self._used = time.monotonic()
        return self._client

    def _end_if_useless(self) -> None:
        """Look, as redis-py does each time, whether there is something to read: the end, say; it connects again."""
        connection = self._client.connection
        with self._client.single_connection_lock:  # a chord's claim is renewed over it by another thread
            try:
                is_useless = connection.can_read()
            except (RedisError, OSError):
                is_useless = True
            if is_useless:
                connection.disconnect()
