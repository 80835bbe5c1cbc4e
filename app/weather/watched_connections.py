"""The connections of HTTP requests, so that they can be ended from outside at any moment."""

import socket
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool


class Connections:
    """The connections of the requests of one session."""

    def __init__(self) -> None:
        self.count = 0
        """How many there have been, those that could not be made included."""
        self._lock = threading.Lock()
        self._ended = False
        self._sockets: list[socket.socket] = []

    def watched(self, connect: Callable[[], socket.socket]) -> socket.socket:
        """Make a connection and watch it: by a copy, since TLS takes the original apart.

        Closes it, and raises OSError, when the connections have been shut down already.
        """
        self.count += 1
        connection = connect()
        with self._lock:
            if self._ended:
                connection.close()
                raise OSError("the request was ended")
            self._sockets.append(connection.dup())
        return connection

    def shut_down(self) -> None:
        """End every connection, those to come included; whoever reads from one sees its end at once."""
        with self._lock:
            self._ended = True
            for connection in self._sockets:
                with closing(connection), suppress(OSError):  # the other side may have been first
                    connection.shutdown(socket.SHUT_RDWR)
            self._sockets.clear()


class WatchedAdapter(HTTPAdapter):
    """requests' way to urllib3, over connections that `Connections` knows of from before their TLS handshake."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Give urllib3's pools connections that are watched."""
        super().init_poolmanager(*args, **kwargs)
        connections = self._connections

        class Plain(HTTPConnection):
            def _new_conn(self) -> socket.socket:
                return connections.watched(super()._new_conn)

        class Encrypted(HTTPSConnection):
            def _new_conn(self) -> socket.socket:
                return connections.watched(super()._new_conn)

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = Plain

        class EncryptedPool(HTTPSConnectionPool):
            ConnectionCls = Encrypted

        self.poolmanager.pool_classes_by_scheme = {"http": PlainPool, "https": EncryptedPool}
