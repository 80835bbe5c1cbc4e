"""The weather file with a million rows: the time and memory of a report, and of a run beside one on an empty file."""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil

from app.weather.collect import collect
from app.weather.observation import Observation, Place
from app.weather.providers.build import build_providers
from app.weather.store import Store
from tests.services.weather_server import WeatherServer, weather_server

PLACES = [Place("Moscow", 55.7558, 37.6173), Place("Berlin", 52.52, 13.405)]
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
        grown = grown_file(folder / "grown.jsonl", options.rows)
        reports = [report(grown) for _ in range(3)]
        seconds, megabytes = (statistics.median(figures) for figures in zip(*reports, strict=True))
        empty_run, grown_run = runs(folder, grown, server, options.runs)
    figures = {
        "rows": options.rows,
        "report_seconds": seconds,
        "report_megabytes": megabytes,
        "run_on_empty_seconds": empty_run,
        "run_on_grown_seconds": grown_run,
        "run_ratio": grown_run / empty_run,
    }
    if options.json:
        print(json.dumps(figures))
        return
    print(f"report on {options.rows:,} rows   {seconds:6.2f} s (limit {LIMIT_SECONDS:g})")
    print(f"   its greatest memory    {megabytes:6.0f} MB (limit {LIMIT_MEGABYTES:g})")
    print(f"collect, empty file       {empty_run * 1000:6.1f} ms")
    print(
        f"collect, grown file       {grown_run * 1000:6.1f} ms, ratio {grown_run / empty_run:.2f} (limit {LIMIT_RATIO})"
    )


def grown_file(path: Path, rows: int) -> Path:
    """A file of so many rows, as runs at 01, 21 and 41 leave it, the last one 20 minutes before END."""
    with path.open("w") as file:
        for line in lines(rows):
            file.write(line)
    os.sync()  # or the runs would wait for the writing of this file
    return path


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


def runs(folder: Path, grown: Path, server: WeatherServer, count: int) -> tuple[float, float]:
    """The median seconds of a run on a new file and on the grown one, in turns, each in the next slot."""
    providers = build_providers(
        ["open-meteo"],
        open_meteo_url=server.open_meteo_url,
        met_norway_url=server.met_norway_url,
        user_agent="weatherbeat-bench/1",
        cache_folder=folder / "cache",
    )
    seconds: tuple[list[float], list[float]] = [], []
    for number in range(count + 1):
        now = END + timedelta(minutes=20 * number)
        server.clock = lambda now=now: now
        for times, path in zip(seconds, (folder / f"{number}.jsonl", grown), strict=True):
            started = time.perf_counter()
            if collect(PLACES, providers, Store(path), now).written != len(PLACES):
                raise SystemExit(f"A run on {path.name} did not write its rows.")
            times.append(time.perf_counter() - started)
    return statistics.median(seconds[0][1:]), statistics.median(seconds[1][1:])


if __name__ == "__main__":
    main()
