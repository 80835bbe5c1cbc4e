"""The two sides of a comparison, stock Celery and ours, over one RabbitMQ and one Valkey of their own.

Stock: no confirms, a classic queue, early acknowledgement. Ours: all of app/celery.py. Valkey has an
append-only file, as in docker-compose.yml.
"""

import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.services.celery import Worker
from tests.services.rabbitmq import RabbitMQ, server_script
from tests.services.valkey import Valkey

LIMIT = 300


@dataclass
class Side:
    """One of them: its application, and where its workers work."""

    name: str
    app: Any
    folder: Path
    settings: Mapping[str, str]

    def worker(self, name: str, *arguments: str, pool: str = "prefork", concurrency: int = 2) -> Worker:
        """A worker, not started, with more arguments of its command line."""
        return _BenchedWorker(self, name, pool, concurrency, arguments)

    def workers(self, name: str, *arguments: str) -> list[Worker]:
        """Two processes that run tasks: stock's are a pool, ours two workers that fetch ahead.

        So ours has the most of a machine that runs many short tasks.
        """
        if self.name == "stock":
            return [self.worker(name, *arguments)]
        ahead = ("--prefetch-multiplier", "32")
        return [self.worker(f"{name}-{i}", *arguments, *ahead, pool="solo", concurrency=1) for i in range(2)]


class _BenchedWorker(Worker):
    def __init__(self, side: Side, name: str, pool: str, concurrency: int, arguments: tuple[str, ...]) -> None:
        self.application = f"bench._applications:{side.name}"
        super().__init__(side.folder / name, side.settings, pool=pool, concurrency=concurrency, arguments=arguments)


@contextmanager
def sides() -> Iterator[tuple[Side, Side]]:
    """Both sides, stock and ours; exits with 1 where there is no RabbitMQ."""
    if server_script() is None:
        sys.exit("RabbitMQ is not installed, so nothing was measured.")
    with (
        tempfile.TemporaryDirectory() as name,
        RabbitMQ(Path(name) / "rabbitmq") as node,
        Valkey(Path(name) / "valkey", append_only=True, fsync="everysec") as valkey,
        node.vhost() as vhost,
    ):
        folder = Path(name)
        settings = {"CELERY_BROKER_URL": vhost.url, "CELERY_RESULT_BACKEND": valkey.url, "DATA_DIR": name}
        os.environ.update(settings)  # before the applications are imported
        from bench import _applications

        stock = Side("stock", _applications.stock, folder / "stock", settings)
        ours = Side("ours", _applications.ours, folder / "ours", settings)
        yield stock, ours
        for side in (stock, ours):
            # Results that are collected later would connect again to unsubscribe.
            side.app.backend.result_consumer.stop()
            side.app.backend.result_consumer.subscribed_to.clear()
