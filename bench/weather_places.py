"""The weather of 200 places from a service that takes 50 ms to answer: in one request, and one task for each place.

The tasks are run over RabbitMQ and Valkey with an append-only file, by 50 threads: in two workers, since a process runs
Python in one thread at a time. Beside them, in turns, one worker of stock Celery with as many threads asks the same by
`requests.get` and returns the answers unchecked: what that takes says how fast this machine is.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from celery import group

from app.weather.observation import Place
from app.weather.parsing.open_meteo import VARIABLES
from bench._sides import sides
from tests.services.celery import Worker
from tests.services.weather_server import OPEN_METEO, WeatherServer, weather_server
from tests.services.weather_world import World

ANSWER_SECONDS = 0.05
THREADS = 50
TARGETS = {"in one request": 0.1, "a task for each": 0.4}
"""Seconds, at most."""
MOST_OF_STOCK = 0.83
"""The same target for the tasks as a share of stock's time, which was 0.48 s where the target comes from.

Either will do: the seconds depend on the machine.
"""


@dataclass
class Figure:
    """The median of some rounds, in seconds."""

    name: str
    seconds: float
    stock_seconds: float | None = None

    @property
    def ratio(self) -> float | None:
        """Our time as a share of stock's."""
        return self.stock_seconds and self.seconds / self.stock_seconds

    @property
    def is_met(self) -> bool:
        """Whether the target is met: that in seconds, or the share of stock's."""
        return self.seconds <= TARGETS[self.name] or (self.ratio is not None and self.ratio <= MOST_OF_STOCK)

    def __str__(self) -> str:
        line = f"{self.name}: {self.seconds:.3f} s (target {TARGETS[self.name]:g})"
        if self.ratio is None:
            return line
        return f"{line}, stock {self.stock_seconds:.3f} s: ratio {self.ratio:.2f} (target {MOST_OF_STOCK:g})"


def main() -> int:
    """Print the seconds of both, the median of some rounds. Returns 1 when one of them misses its target."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--places", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    places = [Place(f"Place {i}", 40 + i / 20, i / 4) for i in range(options.places)]
    with tempfile.TemporaryDirectory() as name, weather_server() as server:
        server.answer_seconds = ANSWER_SECONDS
        stock, ours = a_task_for_each(places, server, options.rounds)
        one = statistics.median(in_one_request(places, server, Path(name), options.rounds))
    figures = [Figure("in one request", one), Figure("a task for each", ours, stock)]
    if options.json:
        rows = [
            vars(figure) | {"ratio": figure.ratio, "target": TARGETS[figure.name], "is_met": figure.is_met}
            for figure in figures
        ]
        print(json.dumps({"weather_places": rows, "places": options.places, "most_of_stock": MOST_OF_STOCK}))
    else:
        for figure in figures:
            print(f"the weather of {options.places} places, {figure}")
    return int(not all(figure.is_met for figure in figures))


def in_one_request(places: list[Place], server: WeatherServer, folder: Path, rounds: int) -> Iterator[float]:
    """Seconds of runs that fetch the weather of all places and write it, each to a new file."""
    for round_number in range(rounds):
        world = World(folder / str(round_number), server)
        world.places, world.now = places, datetime.now(UTC)
        started = time.perf_counter()
        done = world.collect(OPEN_METEO)
        yield time.perf_counter() - started
        if done.written != len(places):
            raise SystemExit(f"A run wrote {done.written} rows.")


def a_task_for_each(places: list[Place], server: WeatherServer, rounds: int) -> tuple[float, float]:
    """The median seconds of groups of one task for each place, from sending to the last answer: stock's, and ours."""
    settings = {"OPEN_METEO_URL": server.open_meteo_url, "MET_NORWAY_URL": server.met_norway_url}
    os.environ.update(settings)  # before the application is imported
    with sides() as (stock, ours):
        from app.celery import app
        from tasks.weather import fetch

        variables = ",".join(VARIABLES.values())
        url = f"{server.open_meteo_url}/v1/forecast?latitude={{}}&longitude={{}}&current={variables}"
        get = stock.app.tasks["get"]
        tasks = {
            "stock": group([get.s(url.format(place.latitude, place.longitude)) for place in places], app=stock.app),
            "ours": group([fetch.s(place.name, place.latitude, place.longitude) for place in places], app=app),
        }
        times: dict[str, list[float]] = {name: [] for name in tasks}
        folder = ours.folder / "worker"
        with (
            stock.worker("threads", pool="threads", concurrency=THREADS),
            Worker(folder / "1", {**ours.settings, **settings}, pool="threads", concurrency=THREADS // 2),
            Worker(folder / "2", {**ours.settings, **settings}, pool="threads", concurrency=THREADS // 2),
        ):
            for number in range(rounds):
                for name in list(tasks)[:: 1 if number % 2 else -1]:
                    times[name].append(seconds_of(tasks[name].clone(), len(places)))
    return statistics.median(times["stock"]), statistics.median(times["ours"])


def seconds_of(tasks: Any, count: int) -> float:
    """Seconds from sending the tasks until all their results are there."""
    started = time.perf_counter()
    rows = tasks.apply_async().get(timeout=60)
    seconds = time.perf_counter() - started
    if len(rows) != count or not all(rows):
        raise SystemExit("An answer was missing.")
    return seconds


if __name__ == "__main__":
    raise SystemExit(main())
