"""What is waited for: one result, a chord's, and that of light items in chunks, by stock Celery and by ours, in turns.

Each side has two processes, RabbitMQ as broker and Valkey for results: stock's are a pool, ours two workers of the pool
`solo` that fetch ahead.
"""

import argparse
import json
import statistics
import time
from contextlib import ExitStack

from celery import chord

from bench._sides import LIMIT, Side, sides

CALLS_IN_TURN = 25
CHUNK = 100
SMALL, LARGE = 500, 5000


def main() -> int:
    """Print milliseconds and seconds, and how ours compares. Returns 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=400, help="calls of one task by each side")
    parser.add_argument("--rounds", type=int, default=3, help="of the chords, but for stock's largest")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with sides() as (stock, ours), ExitStack() as stack:
        for worker in (worker for side in (stock, ours) for worker in side.workers(f"of-{side.name}")):
            stack.enter_context(worker)
        figures = calls(stock, ours, options.calls) | chords(stock, ours, options.rounds)
    rows = compare(figures)
    if options.json:
        print(json.dumps({"results": figures, "rows": rows}))
    else:
        for name, row in rows.items():
            print(f"{name}: {row['seen']:.3g} (target at most {row['target']:g})")
        print(", ".join(f"{name} {value:.4g}" for name, value in figures.items()))
    return int(any(row["seen"] > row["target"] for row in rows.values()))


def calls(stock: Side, ours: Side, count: int) -> dict[str, float]:
    """Milliseconds from sending one task to having its result, median and 95th percentile."""
    seconds: dict[str, list[float]] = {"stock": [], "ours": []}
    for _ in range(0, count, CALLS_IN_TURN):
        for side in (stock, ours):
            add = side.app.tasks["add"]
            for _ in range(CALLS_IN_TURN):
                started = time.perf_counter()
                add.delay(1, 1).get(timeout=LIMIT)
                seconds[side.name].append(time.perf_counter() - started)
    figures = {}
    for name, each in seconds.items():
        ranks = statistics.quantiles(each, n=20)
        figures |= {f"{name} p50 ms": ranks[9] * 1000, f"{name} p95 ms": ranks[18] * 1000}
    return figures


def chords(stock: Side, ours: Side, rounds: int) -> dict[str, float]:
    """Seconds from building a chord to having its result.

    As many tasks in small chords as in large ones, since what one chord alone takes moves by a fifth.
    """
    seconds: dict[str, list[float]] = {}
    for round_number in range(rounds):
        for side in (stock, ours):
            for size in (SMALL, LARGE):
                if round_number == 0 or size == SMALL or side is ours:
                    each = seconds.setdefault(f"{side.name} chord of {size} s", [])
                    each += (fan_in(side, size) for _ in range(LARGE // size))
        seconds.setdefault(f"ours {LARGE} in chunks s", []).append(fan_in(ours, LARGE, CHUNK))
    return {name: statistics.median(each) for name, each in seconds.items()}


def fan_in(side: Side, size: int, chunk: int = 0) -> float:
    """Add up 0 + 0, 1 + 1 … by a chord, one task for each sum or for each chunk of them; the seconds it took."""
    add, total = side.app.tasks["add"], side.app.tasks["total"]
    pairs = [(i, i) for i in range(size)]
    started = time.perf_counter()
    header = add.chunks(pairs, chunk).group() if chunk else [add.s(*pair) for pair in pairs]
    result = chord(header, total.s(), app=side.app).apply_async().get(timeout=LIMIT)
    passed = time.perf_counter() - started
    if result != size * (size - 1):
        raise SystemExit(f"A chord of {size} gave {result}.")
    return passed


def compare(figures: dict[str, float]) -> dict[str, dict[str, float]]:
    """What is to be seen, and its target."""
    small, large = (figures[f"ours chord of {size} s"] for size in (SMALL, LARGE))
    return {
        "one task and its result, p50, ours / stock": _row(figures["ours p50 ms"] / figures["stock p50 ms"], 1.0),
        "one task and its result, p95, ours / stock": _row(figures["ours p95 ms"] / figures["stock p95 ms"], 1.0),
        f"a chord of {LARGE}, ours / stock": _row(large / figures[f"stock chord of {LARGE} s"], 0.2),
        f"a chord of {LARGE} / one of {SMALL}": _row(large / small, 10.0),
        f"{LARGE} light items in chunks of {CHUNK}, seconds": _row(figures[f"ours {LARGE} in chunks s"], 0.5),
    }


def _row(seen: float, target: float) -> dict[str, float]:
    return {"seen": seen, "target": target}


if __name__ == "__main__":
    raise SystemExit(main())
