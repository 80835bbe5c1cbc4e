"""Tasks that come later, or too late."""

import time

from tests.faults.finding import Finding, Row
from tests.faults.scene import Scene
from tests.waiting import comes_true, wait_until

DELAYED = 20
COUNTDOWN = 30
AFTER = 200
EXPIRING = 10
LIMIT = 90.0
STOCK_LIMIT = 15.0


def countdown(scene: Scene) -> Finding:
    """Tasks that are due in 30 s, then others that are due now."""
    scene.worker()
    scene.send("note", "first").get(timeout=60)
    for number in range(DELAYED):
        scene.send("note", f"delayed-{number}", countdown=COUNTDOWN)
    started = time.monotonic()
    for number in range(AFTER):
        scene.send("note", f"now-{number}", ignore_result=True)
    wait_until(lambda: len(scene.ledger.runs()) > AFTER, 60, "all that is due has run")
    seconds = time.monotonic() - started
    return Finding(seconds < 2.0, f"{AFTER} done after {seconds:.1f} s", {"seconds": seconds})


def expires(scene: Scene) -> Finding:
    """Tasks expire while the only process of the worker is busy."""
    scene.worker(concurrency=1)
    scene.send("work", "busy", 6.0)
    wait_until(scene.ledger.runs, 60, "the worker is busy")
    results = [scene.send("work", f"expiring-{number}", expires=2.0) for number in range(EXPIRING)]
    limit = LIMIT if scene.is_ours else STOCK_LIMIT
    comes_true(lambda: all(result.ready() for result in results), limit)
    final = [result.state for result in results if result.ready()]
    states = ", ".join(f"{final.count(state)} {state}" for state in sorted(set(final)))
    text = f"{EXPIRING - len(final)} PENDING" + (f", {states}" if states else "")
    return Finding(len(final) == EXPIRING, text, {"final": len(final)})


ROWS = (
    Row("countdown", f"{DELAYED} tasks with countdown {COUNTDOWN}, then {AFTER} at once", "under 2 s", countdown),
    Row("expired", f"{EXPIRING} tasks that expire behind a backlog", "a final state", expires),
)
