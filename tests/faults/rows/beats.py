"""Beat, which is killed, is away, or is there twice."""

import json
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise

from app.weather.schedule import quarter
from tests.faults.finding import Finding, Row
from tests.faults.scene import Scene
from tests.faults.short_schedule_times import SLOT_SECONDS
from tests.services.weather_server import weather_server
from tests.waiting import wait_until

TOO_SOON = SLOT_SECONDS * 0.6
"""Two slots that are nearer than this, in seconds, are one that was sent twice."""


def slots(scene: Scene, count: int, limit: float = 90.0) -> list[float]:
    """The times of the slots, when there are so many."""
    wait_until(lambda: len(scene.ledger.times("slots")) >= count, limit, f"{count} slots have been run")
    return sorted(scene.ledger.times("slots"))


def twice(times: list[float]) -> int:
    """How many slots were sent twice."""
    return sum(after - before < TOO_SOON for before, after in pairwise(times))


def killed_after_a_slot(scene: Scene) -> Finding:
    """Beat is killed 1 s after a slot, and started again."""
    scene.worker(concurrency=1)
    beat = scene.beat()
    slots(scene, 2)
    time.sleep(1.0)
    beat.kill()
    beat.start()
    times = slots(scene, 5)
    return Finding(not twice(times), f"{twice(times)} of {len(times)} slots twice", {"twice": twice(times)})


def two_beats(scene: Scene) -> Finding:
    """Two beats serve one schedule; the one that has the lead is killed."""
    scene.worker(concurrency=1)
    if not scene.is_ours:
        beats = [scene.beat("beat-1"), scene.beat("beat-2")]
    else:
        beats = [scene.beat("beat-1")]
        second = scene.beat_that_stands_by("beat-2")
        beats.append(second)
    times = slots(scene, 8)
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
    times = slots(scene, before + 3)
    late = min(moment for moment in times[before:]) - back
    good = not twice(times) and beat.is_running
    return Finding(good, f"the first slot {late:.1f} s after the broker was back, {twice(times)} twice", {"late": late})


def down_over_two_slots(scene: Scene) -> Finding:
    """Beat is away over two of the weather's slots; its first run after that looks back."""
    last = quarter(datetime.now(UTC))
    moments = [last - timedelta(minutes=minutes) for minutes in (45, 30, 15, 0)]
    file = scene.folder / "data" / "weather" / "observations.jsonl"
    with weather_server() as weather:
        addresses = {"OPEN_METEO_URL": weather.url, "MET_NORWAY_URL": weather.url, "WEATHER_PLACES": "Here=1,2"}
        scene.worker(concurrency=1, **addresses)
        for moment in (moments[0], moments[-1]):
            weather.clock = partial(datetime.fromisoformat, moment.isoformat())
            scene.app.send_task("tasks.weather.collect").get(timeout=60)
    observed = {json.loads(line)["observed_at"] for line in file.read_text().splitlines()}
    missed = [moment for moment in moments[1:-1] if f"{moment:%Y-%m-%dT%H:%M:%SZ}" not in observed]
    text = f"{2 - len(missed)} of 2 missed observations in the file"
    return Finding(not missed, text, {"missed": len(missed)})


ROWS = (
    Row("beat-killed", "beat killed 1 s after a slot", "once", killed_after_a_slot),
    Row("beat-down", "beat down over two slots", "both observations in the file", down_over_two_slots, stock=False),
    Row("beat-broker-down", "broker down over a slot", "late, once", broker_down),
    Row("two-beats", "two beats", "once, and neither exits", two_beats),
)
