"""The memory of an idle worker, beside a stock Celery worker with the same pool and broker, in turns."""

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import psutil

from tests.services.process import LocalProcess
from tests.services.valkey import Valkey

PROJECT = Path(__file__).parents[1]
LIMIT_RATIO = 1.15
STOCK = """
from celery import Celery

app = Celery("stock", broker={url!r}, backend={url!r})


@app.task
def add(x, y):
    return x + y
"""


def main() -> None:
    """Print the resident memory of each kind of worker, and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with Valkey(folder / "valkey") as server:
            (folder / "stock.py").write_text(STOCK.format(url=server.url))
            rows = [measure(pool, folder, server.url, options.runs) for pool in ("solo", "threads", "prefork")]
    if options.json:
        print(json.dumps({"workers": rows, "limit": LIMIT_RATIO}))
        return
    print(f"{'pool':<8} {'ours, MB':>10} {'stock, MB':>10} {'ratio':>6}   (limit {LIMIT_RATIO})")
    for row in rows:
        print(f"{row['pool']:<8} {row['ours']:>10.1f} {row['stock']:>10.1f} {row['ratio']:>6.3f}")


def measure(pool: str, folder: Path, url: str, runs: int) -> dict[str, object]:
    """The median memory of both workers, measured in turns, in megabytes."""
    variables = {"CELERY_BROKER_URL": url, "DATA_DIR": str(folder / "data")}
    ours, stock = [], []
    for _ in range(runs):
        ours.append(resident("app", pool, PROJECT, folder / "ours", variables))
        stock.append(resident("stock", pool, folder, folder / "theirs", {}))
    megabytes = statistics.median(ours), statistics.median(stock)
    return {"pool": pool, "ours": megabytes[0], "stock": megabytes[1], "ratio": megabytes[0] / megabytes[1]}


def resident(app: str, pool: str, where: Path, log: Path, variables: dict[str, str]) -> float:
    """The memory of one worker and its children, a second after it got ready, in megabytes."""
    worker = IdleWorker(
        [sys.executable, "-m", "celery", "-A", app, "worker", "--pool", pool, "--concurrency", "2", "-l", "INFO"],
        log,
        environment={**psutil.Process().environ(), **variables},
        working_directory=where,
        name="worker",
    )
    with worker:
        time.sleep(1)
        parent = psutil.Process(worker.pid)
        return sum(each.memory_info().rss for each in (parent, *parent.children(recursive=True))) / 1e6


class IdleWorker(LocalProcess):
    """A worker of any application; ready when its log says so."""

    def is_ready(self) -> bool:
        """Whether it has got ready since it was started last."""
        return " ready." in self.log_of_this_start()


if __name__ == "__main__":
    main()
