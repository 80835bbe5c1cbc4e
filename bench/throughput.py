"""What our guarantees cost: no-op tasks sent and run by Celery as it comes and by ours, in turns, over RabbitMQ.

Celery as it comes: no confirms, a classic queue, early acknowledgement. Ours: all of app/celery.py. Both keep results
in Valkey. The worker has two processes.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.services.celery import Worker
from tests.services.rabbitmq import RabbitMQ
from tests.services.valkey import Valkey

LIMIT = 300
NAMES = ("stock", "ours")
FIGURES = ("sent", "run")


def main() -> None:
    """Print tasks per second, the median of some rounds, and how ours compares."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--results", action="store_true", help="keep the result of every task")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, applications(Path(folder)) as (apps, settings):
        figures: dict[str, dict[str, list[float]]] = {name: {"sent": [], "run": []} for name in NAMES}
        for round_number in range(options.rounds):
            for name in NAMES:
                folder_of_round = Path(folder) / f"{name}{round_number}"
                sent, run = measure(name, apps[name], settings, folder_of_round, options.tasks, options.results)
                figures[name]["sent"].append(sent)
                figures[name]["run"].append(run)
    report(
        {name: {kind: statistics.median(rates[kind]) for kind in FIGURES} for name, rates in figures.items()}, options
    )


@contextmanager
def applications(folder: Path) -> Iterator[tuple[dict[str, Any], dict[str, str]]]:
    """Both applications, over one RabbitMQ and one Valkey that keeps what it has acknowledged."""
    node = RabbitMQ(folder / "rabbitmq")
    with node, Valkey(folder / "valkey", append_only=True) as valkey, node.vhost() as vhost:
        settings = {"CELERY_BROKER_URL": vhost.url, "CELERY_RESULT_BACKEND": valkey.url, "DATA_DIR": str(folder)}
        os.environ.update(settings)  # before the applications are imported
        from bench import noop

        yield {"stock": noop.stock, "ours": noop.ours}, settings


def measure(
    name: str, app: Any, settings: dict[str, str], folder: Path, count: int, results: bool
) -> tuple[float, float]:
    """Send and run `count` tasks; returns tasks sent and run per second."""
    task = app.tasks["nothing"]
    first = task.delay()
    started = time.perf_counter()
    for _ in range(count):
        task.apply_async(ignore_result=not results)
    sent = time.perf_counter() - started
    last = task.delay()
    with BenchedWorker(name, folder, settings):
        last.get(timeout=LIMIT)
        first.get(timeout=LIMIT)
    return count / sent, count / (last.date_done - first.date_done).total_seconds()


class BenchedWorker(Worker):
    """A worker of one of the two applications."""

    def __init__(self, name: str, folder: Path, settings: dict[str, str]) -> None:
        self.application = f"bench.noop:{name}"
        super().__init__(folder, settings, arguments=("--loglevel", "WARNING"))

    def is_ready(self) -> bool:
        """Not waited for: its first task tells when it began."""
        return True


def report(figures: dict[str, dict[str, float]], options: argparse.Namespace) -> None:
    """Print the figures."""
    if options.json:
        print(json.dumps({"throughput": figures, "tasks": options.tasks, "results": options.results}))
        return
    for kind in FIGURES:
        stock, ours = figures["stock"][kind], figures["ours"][kind]
        print(f"no-op tasks {kind} per second: stock {stock:,.0f}, ours {ours:,.0f} ({ours / stock:.2f} x)")


if __name__ == "__main__":
    main()
