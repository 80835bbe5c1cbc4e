"""The weather of 200 places from a service that takes 50 ms to answer: in one request, and one task for each place."""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from app.weather.observation import Place
from tests.services.celery import Worker
from tests.services.weather_server import OPEN_METEO, WeatherServer, weather_server
from tests.services.weather_world import World

ANSWER_SECONDS = 0.05
TARGETS = {"in one request": 0.1, "a task for each": 0.4}
"""Seconds, at most."""


def main() -> int:
    """Print the seconds of both, the median of some rounds. Returns 1 when one of them is over its target."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--places", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    places = [Place(f"Place {i}", 40 + i / 20, i / 4) for i in range(options.places)]
    with tempfile.TemporaryDirectory() as name, weather_server() as server:
        folder, server.answer_seconds = Path(name), ANSWER_SECONDS
        figures = {
            "in one request": statistics.median(in_one_request(places, server, folder, options.rounds)),
            "a task for each": statistics.median(a_task_for_each(places, server, folder, options.rounds)),
        }
    if options.json:
        print(json.dumps({"weather_places": figures, "targets": TARGETS, "places": options.places}))
    else:
        for name, seconds in figures.items():
            print(f"the weather of {options.places} places, {name}: {seconds:.3f} s (target {TARGETS[name]:g})")
    return int(any(figures[name] > most for name, most in TARGETS.items()))


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


def a_task_for_each(places: list[Place], server: WeatherServer, folder: Path, rounds: int) -> Iterator[float]:
    """Seconds of groups of `fetch`, from sending to the last answer, by one worker with 50 threads."""
    settings = {
        "DATA_DIR": str(folder),
        "OPEN_METEO_URL": server.open_meteo_url,
        "MET_NORWAY_URL": server.met_norway_url,
    }
    os.environ.update(settings)  # before the application is imported
    from celery import group

    from tasks.weather import fetch

    with Worker(folder / "worker", settings, pool="threads", concurrency=50):
        for _ in range(rounds):
            started = time.perf_counter()
            rows = group(fetch.s(place.name, place.latitude, place.longitude) for place in places)().get(timeout=60)
            yield time.perf_counter() - started
            if [row["place"] for row in rows] != [place.name for place in places]:
                raise SystemExit("The group gave other places.")


if __name__ == "__main__":
    raise SystemExit(main())
