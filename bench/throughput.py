"""What our guarantees cost: no-op tasks sent and run by stock Celery and by ours, in turns, over RabbitMQ.

Sent: stock by a loop, which confirms nothing, ours as a group, which confirms all. Run: by two processes, stock's a
pool of two, ours two workers of the pool `solo` that fetch ahead, which is how to have the most of a machine.
"""

import argparse
import json
import statistics
import time
from contextlib import ExitStack
from typing import Any

from celery import group

from bench._sides import LIMIT, Side, sides

TARGETS = {"sent": 1.0, "run": 1.4}
"""The least share of stock Celery's rate."""
KEPT = {"with results": False, "without results": True}
"""Whether results are ignored."""


def main() -> int:
    """Print tasks per second, the median of some rounds, and how ours compares. Returns 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rates: dict[tuple[str, str], dict[str, list[float]]] = {}
    with sides() as both:
        for number in range(options.rounds):
            for kept, ignore_result in KEPT.items():
                for side in both:
                    sent = send(side, options.tasks, ignore_result)
                    done = run(side, f"round-{number}-{ignore_result}")
                    for kind, seconds in (("sent", sent), ("run", done)):
                        by_side = rates.setdefault((kind, kept), {})
                        by_side.setdefault(side.name, []).append(options.tasks / seconds)
    figures = [row(kind, kept, by_side) for (kind, kept), by_side in rates.items()]
    if options.json:
        print(json.dumps({"throughput": figures, "tasks": options.tasks}))
    else:
        for each in figures:
            rates_of_row = "stock {stock:5,.0f}/s, ours {ours:5,.0f}/s: ratio {ratio:.2f} (target {target})"
            print("{kind:4} {results:15} ".format(**each) + rates_of_row.format(**each))
    return int(any(each["ratio"] < each["target"] for each in figures))


def row(kind: str, results: str, by_side: dict[str, list[float]]) -> dict[str, Any]:
    """The medians, and that of the ratios in each round."""
    ratios = [ours / stock for stock, ours in zip(by_side["stock"], by_side["ours"], strict=True)]
    medians = {name: statistics.median(rates) for name, rates in by_side.items()}
    return {"kind": kind, "results": results, "ratio": statistics.median(ratios), "target": TARGETS[kind]} | medians


def send(side: Side, count: int, ignore_result: bool) -> float:
    """Send no-op tasks; the seconds it took."""
    nothing = side.app.tasks["nothing"]
    started = time.perf_counter()
    if side.name == "stock":
        for _ in range(count):
            nothing.apply_async(ignore_result=ignore_result)
    else:
        group([nothing.s().set(ignore_result=ignore_result) for _ in range(count)], app=side.app).apply_async()
    return time.perf_counter() - started


def run(side: Side, name: str) -> float:
    """Run what waits; the seconds from when the workers, ready, turn to it until the last one is done."""
    last = side.app.tasks["nothing"].delay()
    idle = ("--queues", f"idle-{side.name}")
    if side.name == "stock":
        workers = [side.worker(name, *idle)]
    else:
        ahead = ("--prefetch-multiplier", "32")
        workers = [side.worker(f"{name}-{i}", *idle, *ahead, pool="solo", concurrency=1) for i in range(2)]
    with ExitStack() as stack:
        for worker in workers:
            stack.enter_context(worker)
        started = time.perf_counter()
        side.app.control.add_consumer(side.app.conf.task_default_queue)
        last.get(timeout=LIMIT)
        return time.perf_counter() - started


if __name__ == "__main__":
    raise SystemExit(main())
