"""Tasks that kill whatever runs them."""

from contextlib import suppress

from app.queues import DEAD_LETTERS
from tests.faults.finding import Finding, Row
from tests.faults.scene import Scene
from tests.services.process import ServiceError
from tests.waiting import comes_true

HEALTHY = 100
LIMIT = 120.0
STOCK_LIMIT = 30.0
MOST_RUNS = 10


def kills_its_process(scene: Scene) -> Finding:
    """A task kills the process of the pool that runs it, each time."""
    scene.worker()
    poison = scene.send("die_always", "poison", False)
    comes_true(lambda: poison.ready() or len(scene.ledger.runs()) > MOST_RUNS, LIMIT)
    runs = len(scene.ledger.runs())
    kept = scene.is_ours and is_kept(scene)
    text = f"{poison.state} after {runs} runs" + (", kept as a dead letter" if kept else "")
    return Finding(poison.state == "FAILURE" and kept and runs <= MOST_RUNS, text, {"runs": runs})


def is_kept(scene: Scene) -> bool:
    """Whether there is a dead letter, within the seconds that the broker takes to count it."""
    return comes_true(lambda: scene.vhost.message_count(DEAD_LETTERS) == 1, 10)


def kills_its_worker(scene: Scene) -> Finding:
    """A task kills the whole worker each time, which its supervisor starts again; 100 healthy ones are beside it."""
    worker = scene.worker()
    poison = scene.send("die_always", "poison", True)
    healthy = scene.send_work(HEALTHY, 0.02)
    if scene.is_ours:
        scene.beat(short=False)  # which has what is left behind settled

    def all_is_settled() -> bool:
        if not worker.is_running:
            worker.kill()
            with suppress(ServiceError):  # it has met the poison again before it was ready
                worker.start()
        return set(healthy) <= set(scene.ledger.effects()) and (poison.ready() or not scene.is_ours)

    comes_true(all_is_settled, LIMIT if scene.is_ours else STOCK_LIMIT)
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
