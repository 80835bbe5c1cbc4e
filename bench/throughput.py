"""What our guarantees cost: no-op tasks sent and run by stock Celery and by ours, in turns, over RabbitMQ.

Sent: stock by a loop, which confirms nothing, ours as a group, which confirms all. Run by two processes: stock's is a
pool of two; ours the same, and then two workers of the pool `solo` that fetch ahead, which is how to have the most of
a machine that runs many short tasks.
"""

import argparse
import json
import statistics
import time
from contextlib import ExitStack
from typing import Any

from celery import group

from bench._sides import LIMIT, Side, sides
from tests.waiting import wait_until

TARGETS = {"sent": 1.0, "run by a pool": None, "run by two solo": 1.4}
"""The least share of stock Celery's rate; where the pool is the same, what it costs is only shown."""
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
                for kind, side in ((kind, side) for kind in TARGETS for side in both[:: 1 if number % 2 else -1]):
                    if kind == "sent":
                        seconds = send(side, options.tasks, ignore_result)
                        side.app.control.purge()
                    else:
                        seconds = run(side, options.tasks, kind, ignore_result, f"{kind} {ignore_result} {number}")
                    rates.setdefault((kind, kept), {}).setdefault(side.name, []).append(options.tasks / seconds)
    figures = [row(kind, kept, by_side) for (kind, kept), by_side in rates.items()]
    if options.json:
        print(json.dumps({"throughput": figures, "tasks": options.tasks}))
    else:
        for each in figures:
            target = f" (target {each['target']})" if each["target"] else ""
            line = "{kind:15} {results:15} stock {stock:5,.0f}/s, ours {ours:5,.0f}/s: ratio {ratio:.2f}"
            print(line.format(**each) + target)
    return int(any(each["ratio"] < (each["target"] or 0) for each in figures))


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


def run(side: Side, count: int, kind: str, ignore_result: bool, name: str) -> float:
    """Send no-op tasks and run them; the seconds from when the workers, ready, turn to them until the last is done."""
    name = name.replace(" ", "-")
    send(side, count, ignore_result)
    last = side.app.tasks["nothing"].delay()
    idle = ("--queues", f"idle-{side.name}")
    named = f"{name}-{side.name}"
    workers = side.workers(named, *idle) if kind == "run by two solo" else [side.worker(named, *idle)]
    with ExitStack() as stack:
        for worker in workers:
            stack.enter_context(worker)
        started = time.perf_counter()
        side.app.control.add_consumer(side.app.conf.task_default_queue)
        # Not get(), which would first take in all that stock Celery has listened for.
        wait_until(last.ready, LIMIT, "the last task is done")
        return time.perf_counter() - started


if __name__ == "__main__":
    raise SystemExit(main())
