"""The services that faults are done to."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.faults.scene import Scene
from tests.services.rabbitmq import RabbitMQ
from tests.services.valkey import Valkey


class Stage:
    """A RabbitMQ, a Valkey for results, which keeps what it has acknowledged, and one for the ledger."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.node = RabbitMQ(folder / "rabbitmq")
        self.results = Valkey(folder / "results", append_only=True)
        self.ledger = Valkey(folder / "ledger")

    def __enter__(self) -> "Stage":
        for server in (self.results, self.ledger, self.node):
            server.start()
        return self

    def __exit__(self, *_: object) -> None:
        for server in (self.node, self.results, self.ledger):
            server.kill()

    @contextmanager
    def scene(self, side: str) -> Iterator["Scene"]:
        """A fresh scene for "stock" or "ours"; what is left of it is killed at the end."""
        for server in (self.node, self.results):
            if not server.is_running:
                server.start()
        with self.node.vhost() as vhost, ExitStack() as stack:
            scene = Scene(self, vhost, side)
            stack.callback(scene.close)
            yield scene
        with self.results.client() as client:
            client.flushall()
