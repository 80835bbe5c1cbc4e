"""Tasks that kill whatever runs them."""

import time
from contextlib import suppress

from app.queues import DEAD_LETTERS
from tests.faults.finding import Finding, Row
from tests.faults.scene import Scene
from tests.services.process import ServiceError
from tests.waiting import wait_until

HEALTHY = 100
LIMIT = 120.0
STOCK_LIMIT = 30.0
MOST_RUNS = 10


def kills_its_process(scene: Scene) -> Finding:
    """A task kills the process of the pool that runs it, each time."""
    scene.worker()
    poison = scene.send("die_always", "poison", False)
    deadline = time.monotonic() + LIMIT
    while not poison.ready() and len(scene.ledger.runs()) <= MOST_RUNS and time.monotonic() < deadline:
        time.sleep(0.1)
    runs = len(scene.ledger.runs())
    kept = scene.is_ours and is_kept(scene)
    text = f"{poison.state} after {runs} runs" + (", kept as a dead letter" if kept else "")
    return Finding(poison.state == "FAILURE" and kept and runs <= MOST_RUNS, text, {"runs": runs})


def is_kept(scene: Scene) -> bool:
    """Whether there is a dead letter, within the seconds that the broker takes to count it."""
    try:
        return wait_until(lambda: scene.vhost.message_count(DEAD_LETTERS) == 1, 10, "there is a dead letter")
    except AssertionError:
        return False


def kills_its_worker(scene: Scene) -> Finding:
    """A task kills the whole worker each time, which its supervisor starts again; 100 healthy ones are beside it."""
    worker = scene.worker()
    poison = scene.send("die_always", "poison", True)
    healthy = scene.send_work(HEALTHY, 0.02)
    started = time.monotonic()
    limit = LIMIT if scene.is_ours else STOCK_LIMIT
    if scene.is_ours:
        scene.beat(short=False)  # which has what is left behind settled
    while time.monotonic() < started + limit:
        if not worker.is_running:
            worker.kill()
            with suppress(ServiceError):  # it has met the poison again before it was ready
                worker.start()
        if not set(healthy) - set(scene.ledger.effects()) and (poison.ready() or not scene.is_ours):
            break
        time.sleep(0.2)
    done = len(set(healthy) & set(scene.ledger.effects()))
    runs = scene.ledger.runs().count("poison")
    text = f"{done} of {HEALTHY} healthy done, the poison {poison.state} after {runs} runs"
    return Finding(done == HEALTHY and poison.ready(), text, {"healthy_done": done, "poison_runs": runs})


ROWS = (
    Row(
        "poison-child",
        "poison task that kills its process",
        "a dead letter after a bounded number of runs, and FAILURE with the reason",
        kills_its_process,
    ),
    Row(
        "poison-worker",
        f"poison that kills the whole worker, {HEALTHY} healthy beside it",
        f"{HEALTHY} of {HEALTHY} healthy done",
        kills_its_worker,
    ),
)
