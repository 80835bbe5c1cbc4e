"""Chords whose result store goes away, or whose processes die."""

import time

from celery import chord
from celery.result import AsyncResult

from tests.faults.finding import Finding, Row
from tests.faults.scene import Scene
from tests.waiting import comes_true, wait_until

PARTS = 200
DOWN_SECONDS = 30.0
LIMIT = 90.0
SETTLE_SECONDS = 5.0
"""How often the watchdog of chords is asked to look here; beat does it every 30 s."""


def outcome(scene: Scene, result: AsyncResult[int], expected: int) -> Finding:
    """Wait for the body of a chord, with the watchdog that beat would send."""
    started = time.monotonic()
    end = started + (LIMIT if scene.is_ours else LIMIT / 3)
    while not comes_true(result.ready, SETTLE_SECONDS):
        if time.monotonic() > end:
            return Finding(False, "hangs")
        if scene.is_ours:
            scene.app.send_task("tasks.maintenance.settle_chords")
    done = result.successful() and result.result == expected
    seconds = time.monotonic() - started
    text = f"done after {seconds:.1f} s" if done else f"{result.state}: {result.result}"
    return Finding(done, text, {"seconds": seconds})


def store_away(scene: Scene, seconds: float) -> Finding:
    """The result store is killed while parts run, and comes back."""
    worker = scene.worker()
    parts = [scene.signature("part", number, 0.05) for number in range(PARTS)]
    result = chord(parts, scene.signature("total"), app=scene.app).apply_async()
    wait_until(lambda: worker.log().count("succeeded") > 5, 60, "some parts are done")
    scene.results.kill()
    time.sleep(seconds)
    scene.results.start()
    return outcome(scene, result, sum(range(PARTS)))


def store_killed(scene: Scene) -> Finding:
    """It is started again at once."""
    return store_away(scene, 0.0)


def store_down(scene: Scene) -> Finding:
    """It is away for half a minute."""
    return store_away(scene, DOWN_SECONDS)


def dies(scene: Scene, point: str) -> Finding:
    """A process of the pool dies at a point in the life of a chord of three."""
    scene.worker(include=["tests.faults.dying"], FAULTS_DIES_AT=point)
    parts = [scene.signature("part", number) for number in range(3)]
    result = chord(parts, scene.signature("total"), app=scene.app).apply_async()
    wait_until(lambda: not scene.ledger.is_first(point), 60, f"a process has died at {point}")
    return outcome(scene, result, 3)


def dies_before_counting(scene: Scene) -> Finding:
    """Its part has been done and not been counted."""
    return dies(scene, "before-count")


def dies_after_claim(scene: Scene) -> Finding:
    """It was the one to send the body."""
    return dies(scene, "after-claim")


ROWS = (
    Row("results-killed", f"result store killed -9 under a chord of {PARTS}", "done", store_killed),
    Row("results-down", f"result store down {DOWN_SECONDS:g} s under a chord of {PARTS}", "done", store_down),
    Row("chord-uncounted", 'a child dies between "result stored" and "chord counted"', "done", dies_before_counting),
    Row("chord-claimed", "a child dies after claiming the finished chord", "done", dies_after_claim),
)
