"""Workers and their processes that end too early."""

import os
import signal
import time

from tests.faults.finding import Finding, Row
from tests.faults.scene import Scene
from tests.waiting import comes_true, wait_until

TASKS = 200
SECONDS = 0.05
CHILDREN = 10
GRACE = 5.0
TASK_SECONDS = 8.0


def worker_killed(scene: Scene) -> Finding:
    """First the main process alone is killed, then, in the next worker, the whole group."""
    worker = scene.worker()
    keys = scene.send_work(TASKS, SECONDS)
    scene.wait_for_effects(TASKS // 4)
    os.kill(worker.pid, signal.SIGKILL)
    worker.kill()  # what it left
    worker.start()
    scene.wait_for_effects(TASKS // 2)
    worker.kill()
    worker.start()
    return scene.settle(keys)


def children_killed(scene: Scene) -> Finding:
    """Ten processes of the pool die, five before and five after the effect of their task, with others around them."""
    scene.worker()
    keys = scene.send_work(CHILDREN * 2, SECONDS)
    deadly = [f"deadly-{number}" for number in range(CHILDREN)]
    for number, key in enumerate(deadly):
        scene.send("die_once", key, number % 2 == 0)
    return scene.settle([*keys, *deadly])


def terminated(scene: Scene) -> Finding:
    """SIGTERM while tasks of 8 s run, and SIGKILL after 5 s of grace, as whoever stops containers does."""
    worker = scene.worker()
    keys = scene.send_work(4, TASK_SECONDS)
    wait_until(lambda: len(scene.ledger.runs()) == 2, 60, "two tasks run")
    started = time.monotonic()
    worker.send_signal(signal.SIGTERM)
    in_time = comes_true(lambda: not worker.is_running, GRACE)
    seconds = time.monotonic() - started
    worker.kill()
    worker.start()
    found = scene.settle(keys, quiet=TASK_SECONDS * 2)
    text = f"{found.text}, ended {f'after {seconds:.1f} s' if in_time else 'by SIGKILL'}"
    return Finding(found.ok and in_time, text, found.figures | {"seconds_to_end": seconds})


ROWS = (
    Row("worker-killed", "worker killed -9: the main process, the whole group", "0 lost, 0 doubled", worker_killed),
    Row("children-killed", "10 processes of the pool killed -9", "0 lost, 0 doubled", children_killed),
    Row("terminated", "SIGTERM with tasks of 8 s and 5 s of grace", "0 lost, ends within the grace", terminated),
)
