"""Beat, which is killed, is away, or is there twice."""

import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from app.weather.schedule import slots_between
from beat_schedule import COLLECT_MINUTES
from tests.faults.finding import Finding, Row
from tests.faults.scene import Scene
from tests.faults.short_schedule_times import SLOT_SECONDS
from tests.services.weather_world import weather_world
from tests.waiting import wait_until

TOO_SOON = SLOT_SECONDS * 0.6
"""Two slots that are nearer than this, in seconds, are one that was sent twice."""
LATE = SLOT_SECONDS * 0.8
"""So late, in seconds, a slot may be sent."""
AFTERWARDS = 4


def slots(scene: Scene, count: int, limit: float = 90.0) -> list[float]:
    """The times of the slots, when there are so many."""
    wait_until(lambda: len(scene.ledger.times("slots")) >= count, limit, f"{count} slots have been run")
    return sorted(scene.ledger.times("slots"))


def twice(times: list[float]) -> int:
    """How many slots were sent twice."""
    return sum(after - before < TOO_SOON for before, after in pairwise(times))


def sent_once_in(seconds: float) -> int:
    """How many slots there are, at least, from one that may be up to `LATE` late to another."""
    return 1 + int((seconds + LATE) / SLOT_SECONDS)


def killed_after_a_slot(scene: Scene) -> Finding:
    """Beat is killed 1 s after a slot, and started again."""
    scene.worker(concurrency=1)
    beat = scene.beat()
    slots(scene, 2)
    time.sleep(1.0)
    beat.kill()
    beat.start()
    times = slots(scene, 4)
    return Finding(not twice(times), f"{twice(times)} of {len(times)} slots twice", {"twice": twice(times)})


def two_beats(scene: Scene) -> Finding:
    """Two beats serve one schedule."""
    scene.worker(concurrency=1)
    beats = [scene.beat("beat-1"), scene.beat("beat-2")]
    times = slots(scene, 6)
    running = sum(beat.is_running for beat in beats)
    text = f"{twice(times)} of {len(times)} slots twice, {running} of 2 run"
    return Finding(not twice(times) and running == 2, text, {"twice": twice(times), "running": running})


def broker_down(scene: Scene) -> Finding:
    """The broker is away over two slots."""
    scene.worker(concurrency=1)
    beat = scene.beat()
    slots(scene, 2)
    scene.kill_broker()
    time.sleep(SLOT_SECONDS * 1.5)
    before = len(scene.ledger.times("slots"))
    scene.node.start()
    back = time.time()
    late = slots(scene, before + AFTERWARDS)[before] - back
    # A worker that is still connecting runs two slots at once: what counts is when they were sent.
    sent = sorted(scene.ledger.times("sent"))[before:]
    doubled = len(sent) - sent_once_in(sent[-1] - sent[0])
    good = doubled <= 0 and beat.is_running
    text = f"the first slot {late:.1f} s after the broker was back, {max(0, doubled)} twice"
    return Finding(good, text, {"late": late})


def down_over_two_slots(scene: Scene) -> Finding:
    """Beat sent a run of the weather, was away over two slots, and sends the next; that run looks back."""
    now = datetime.now(UTC)
    first, *missed, _ = slots_between(now - timedelta(hours=4), now, COLLECT_MINUTES)[-4:]
    with weather_world(scene.folder / "data" / "weather") as world:
        world.now = first + timedelta(minutes=1)
        world.collect()
        world.now = now
        scene.worker(concurrency=1, OPEN_METEO_URL=world.server.url, MET_NORWAY_URL=world.server.url)
        scene.app.send_task("tasks.weather.collect").get(timeout=60)
        observed = {row["observed_at"] for row in world.rows()}
    there = sum(f"{moment:%Y-%m-%dT%H:%M:%SZ}" in observed for moment in missed)
    return Finding(there == len(missed), f"{there} of {len(missed)} observations in the file", {"in_file": there})


ROWS = (
    Row("beat-killed", "beat killed 1 s after a slot", "once", killed_after_a_slot),
    Row("beat-down", "beat down over two slots", "both observations in the file", down_over_two_slots, stock=False),
    Row("beat-broker-down", "broker down over a slot", "late, once", broker_down),
    Row("two-beats", "two beats", "once, and neither exits", two_beats),
)
