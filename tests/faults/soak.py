"""`python -m tests.faults.soak`: a long run with a fault of a random kind every 20-40 s, and what was lost of it."""

from app.program import run_program  # first, so that Ctrl-C is quiet while the rest is loaded

# isort: split
import argparse
import os
import random
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from celery import chord
from celery.result import AsyncResult
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from tests.faults.ledger import OURS
from tests.faults.scene import Scene
from tests.faults.stage import Stage
from tests.services import leftovers
from tests.services.celery import Worker
from tests.services.rabbitmq import NOT_INSTALLED, REMEDY, server_script
from tests.waiting import comes_true

PAUSES = (20.0, 40.0)
FROZEN_SECONDS = 5.0
CHORD_SIZE = 5
TASKS_PER_CHORD = 50
SAMPLE_SECONDS = 2.0
SETTLE_SECONDS = 300.0
MEGABYTE = 1_000_000


@dataclass
class Soak:
    """A soak under way: what was sent, and what its workers took."""

    scene: Scene
    workers: list[Worker]
    rate: float
    ended: threading.Event = field(default_factory=threading.Event)
    accepted: list[str] = field(default_factory=list)
    refused: int = 0
    chords: list[AsyncResult[int]] = field(default_factory=list)
    memory: list[tuple[float, float]] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)

    def send(self) -> None:
        """Send tasks at a steady rate, catching up after a fault, and now and then a chord, until the end."""
        number, started = 0, time.monotonic()
        while not self.ended.wait(max(0.0, started + number / self.rate - time.monotonic())):
            number += 1
            key = f"task-{number}"
            try:
                self.scene.send("work", key, ignore_result=True)
                self.accepted.append(key)
                if number % TASKS_PER_CHORD == 0:
                    parts = [self.scene.signature("part", part) for part in range(CHORD_SIZE)]
                    self.chords.append(chord(parts, self.scene.signature("total"), app=self.scene.app).apply_async())
            except Exception:
                self.refused += 1

    def watch_memory(self) -> None:
        """Note the memory of each process of the workers, until the end."""
        started = time.monotonic()
        while not self.ended.wait(SAMPLE_SECONDS):
            sizes = [size for worker in self.workers for size in memory_of(worker)]
            if sizes:
                self.memory.append((time.monotonic() - started, statistics.mean(sizes) / MEGABYTE))

    def break_something(self, chance: random.Random) -> None:
        """Do a fault of a random kind, and mend it."""
        kinds: dict[str, Callable[[], None]] = {
            "child killed": lambda: self.kill_child(chance.choice(self.workers)),
            "worker killed": lambda: restart(chance.choice(self.workers), Worker.kill),
            "worker stopped": lambda: restart(chance.choice(self.workers), Worker.stop),
            "broker killed": self.kill_broker,
            "broker frozen": self.freeze_broker,
            "results killed": self.kill_results,
        }
        name = chance.choice(list(kinds))
        self.faults[name] += 1
        kinds[name]()

    def kill_child(self, worker: Worker) -> None:
        """Kill a process of the pool."""
        if children := psutil.Process(worker.pid).children():
            os.kill(children[-1].pid, signal.SIGKILL)

    def kill_broker(self) -> None:
        """Kill the broker, and start it again."""
        self.scene.kill_broker()
        self.scene.node.start()

    def freeze_broker(self) -> None:
        """Let the broker stand still for some seconds."""
        self.scene.node.send_signal(signal.SIGSTOP)
        time.sleep(FROZEN_SECONDS)
        self.scene.node.send_signal(signal.SIGCONT)

    def kill_results(self) -> None:
        """Kill the result store, and start it again."""
        self.scene.results.kill()
        self.scene.results.start()


def restart(worker: Worker, end: Callable[[Worker], None]) -> None:
    """End a worker, and start it again."""
    end(worker)
    worker.kill()
    worker.start()


def memory_of(worker: Worker) -> list[int]:
    """Bytes of memory of a worker's processes."""
    try:
        main = psutil.Process(worker.pid)
        return [process.memory_info().rss for process in (main, *main.children())]
    except psutil.Error:  # it is just being killed
        return []


def main() -> int:
    """Soak; returns 1 when something was lost, doubled or hangs."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=1, help="repeats the faults and their pauses")
    parser.add_argument("--rate", type=float, default=115.0, help="tasks per second")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the memory of the workers as a PNG")
    options = parser.parse_args()
    if server_script() is None:
        print(f"{NOT_INSTALLED}: {REMEDY}.", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="soak-", ignore_cleanup_errors=True) as name:
        folder = Path(name).resolve()
        with leftovers.watched(folder), Stage(folder) as stage, stage.scene(OURS) as scene:
            scene.beat(short=False)
            workers = [scene.worker("worker-1"), scene.worker("worker-2")]
            soak = Soak(scene, workers, options.rate)
            run(soak, options.minutes * 60, random.Random(options.seed))  # noqa: S311 - chance guards no secret
            ok = report(soak)
    if options.plot:
        draw(soak.memory, options.plot)
    return 0 if ok else 1


def run(soak: Soak, seconds: float, chance: random.Random) -> None:
    """Send, watch and break until the time is over."""
    threads = [threading.Thread(target=soak.send), threading.Thread(target=soak.watch_memory)]
    for thread in threads:
        thread.start()
    started = time.monotonic()
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task("soaking", total=seconds)
        while (passed := time.monotonic() - started) < seconds:
            time.sleep(min(chance.uniform(*PAUSES), max(0.0, seconds - passed)))
            progress.update(bar, completed=time.monotonic() - started, description=f"{len(soak.accepted):,} sent")
            soak.break_something(chance)
    soak.ended.set()
    for thread in threads:
        thread.join()


def report(soak: Soak) -> bool:
    """Wait for the rest, say what was lost, and whether all is well."""
    found = soak.scene.settle(soak.accepted, SETTLE_SECONDS)
    expected = sum(range(CHORD_SIZE))
    comes_true(lambda: all(result.ready() for result in soak.chords), SETTLE_SECONDS)
    hanging = sum(not result.ready() for result in soak.chords)
    wrong = [f"{each.id}: {each.result!r}" for each in soak.chords if each.ready() and each.result != expected]
    count = len(soak.chords)
    soak.chords.clear()  # as long as there is a store to tell that nobody listens any more
    print(f"{len(soak.accepted):,} tasks accepted, {soak.refused} refused: {found.text}")
    print("\n".join([f"{count:,} chords: {hanging} hanging, {len(wrong)} not done", *wrong]))
    print("Faults: " + ", ".join(f"{count} x {name}" for name, count in soak.faults.most_common()))
    third = max(1, len(soak.memory) // 3)
    sizes = [size for _, size in soak.memory] or [0.0]
    early, late = statistics.mean(sizes[:third]), statistics.mean(sizes[-third:])
    print(f"Memory of a process of the workers: {early:.1f} MB in the first third, {late:.1f} MB in the last")
    return found.ok and not hanging and not wrong


def draw(memory: list[tuple[float, float]], file: Path) -> None:
    """Draw the memory over the time."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(9, 4), layout="constrained")
    axes.plot([seconds / 60 for seconds, _ in memory], [size for _, size in memory])
    axes.set(xlabel="minutes", ylabel="MB", title="Memory of a process of the workers, on average", ylim=(0, None))
    figure.savefig(file, dpi=120)


if __name__ == "__main__":
    run_program(main)
