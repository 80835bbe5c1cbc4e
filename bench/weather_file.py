"""The weather file with a million rows: the time and memory of a report, and of runs beside those on an empty file."""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil

from app.weather.collect import collect
from app.weather.observation import Observation, Place
from app.weather.store import Store
from beat_schedule import COLLECT_MINUTES
from tests.services.weather_server import WeatherServer, weather_server
from tests.services.weather_world import World

PLACES = [Place("Moscow", 55.7558, 37.6173), Place("Berlin", 52.52, 13.405)]
STATES = {
    "all places have rows": ("open-meteo", PLACES),
    "one place has none yet": ("open-meteo", [*PLACES, Place("Oslo", 59.91, 10.75)]),
    "open-meteo has none yet": ("met-norway", PLACES),
}
"""The provider of the grown file's rows, and the places of the runs."""
END = datetime(2026, 11, 22, 3, 1, 5, tzinfo=UTC)
SAMPLE_SECONDS = 0.02
LIMIT_SECONDS = 10.0
LIMIT_MEGABYTES = 300.0
LIMIT_RATIO = 1.2


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, weather_server() as server:
        folder = Path(name)
        files = {name: folder / name for name in ("open-meteo", "met-norway")}
        grow(files, options.rows)
        reports = [report(files["open-meteo"]) for _ in range(3)]
        seconds, megabytes = (statistics.median(figures) for figures in zip(*reports, strict=True))
        collected = {
            state: runs(folder, files[provider], places, server, options.runs)
            for state, (provider, places) in STATES.items()
        }
    figures = {
        "rows": options.rows,
        "report_seconds": seconds,
        "report_megabytes": megabytes,
        "runs": {
            state: {"on_empty_seconds": empty, "on_grown_seconds": grown, "ratio": grown / empty}
            for state, (empty, grown) in collected.items()
        },
    }
    if options.json:
        print(json.dumps(figures))
        return
    print(f"report on {options.rows:,} rows   {seconds:6.2f} s (limit {LIMIT_SECONDS:g})")
    print(f"   its greatest memory    {megabytes:6.0f} MB (limit {LIMIT_MEGABYTES:g})")
    print(f"a run, on an empty and on the grown file (limit {LIMIT_RATIO}):")
    for state, (empty, grown) in collected.items():
        print(f"   {state:24}{empty * 1000:6.1f} ms {grown * 1000:6.1f} ms, ratio {grown / empty:.2f}")


def grow(files: Mapping[str, Path], rows: int) -> None:
    """Write, for each provider, a file of so many rows, as runs leave it, the last one 20 minutes before END."""
    with ExitStack() as stack:
        opened = {provider: stack.enter_context(path.open("w")) for provider, path in files.items()}
        for line in lines(rows):
            for provider, file in opened.items():
                file.write(line.replace("open-meteo", provider))
    os.sync()  # or the runs would wait for the writing of these files


def lines(rows: int) -> Iterator[str]:
    """The lines of the file, oldest first."""
    runs = rows // len(PLACES)
    for number in range(runs, 0, -1):
        fetched_at = END - timedelta(minutes=20 * number)
        observed_at = fetched_at.replace(minute=fetched_at.minute // 15 * 15, second=0)
        for place in PLACES:
            values = {"temperature_c": number % 300 / 10, "humidity_percent": 70, "pressure_hpa": 1013.2}
            more = {"wind_speed_ms": 3.4, "wind_direction_deg": 220, "precipitation_mm": 0.1, "weather_code": 3}
            row = Observation(place, observed_at, fetched_at, "open-meteo", **values, **more)  # type: ignore[arg-type]
            yield json.dumps(row.to_row()) + "\n"


def report(path: Path) -> tuple[float, float]:
    """The wall time in seconds and the greatest resident memory in megabytes of one report command."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "app.weather", "report"]
    process = psutil.Popen(command, env=os.environ | {"WEATHER_FILE": str(path)}, stdout=subprocess.DEVNULL)
    greatest = 0
    while process.poll() is None:
        with suppress(psutil.NoSuchProcess):
            greatest = max(greatest, process.memory_info().rss)
        time.sleep(SAMPLE_SECONDS)
    seconds = time.perf_counter() - started
    if process.returncode:
        raise SystemExit("The report failed.")
    return seconds, greatest / 1e6


def runs(folder: Path, grown: Path, places: Sequence[Place], server: WeatherServer, count: int) -> tuple[float, float]:
    """The median seconds of a run on a new file and on the grown one, in turns; what was written is cut off again."""
    providers = World(folder, server).providers("open-meteo")
    server.clock = lambda: END
    empty, size = folder / "empty", grown.stat().st_size
    seconds: tuple[list[float], list[float]] = [], []
    for _ in range(count + 1):
        for times, path in zip(seconds, (empty, grown), strict=True):
            started = time.perf_counter()
            if collect(places, providers, Store(path), END, COLLECT_MINUTES).written != len(places):
                raise SystemExit(f"A run on the {path.name} file did not write its rows.")
            times.append(time.perf_counter() - started)
        empty.unlink()
        os.truncate(grown, size)
    return statistics.median(seconds[0][1:]), statistics.median(seconds[1][1:])


if __name__ == "__main__":
    main()
