"""What a test of the weather needs: places, a clock that stands still, the playing services and a weather file."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from app.weather.collect import Collected, collect
from app.weather.observation import Place
from app.weather.providers.build import build_providers
from app.weather.providers.provider import Provider
from app.weather.store import Store
from beat_schedule import COLLECT_MINUTES
from tests.services.weather_server import MET_NORWAY, OPEN_METEO, WeatherServer, weather_server

MOSCOW = Place("Moscow", 55.7558, 37.6173)
BERLIN = Place("Berlin", 52.52, 13.405)
START = datetime(2026, 11, 22, 3, 21, 30, tzinfo=UTC)
BOTH = (OPEN_METEO, MET_NORWAY)
USER_AGENT = "weatherbeat-tests/1 tests@example.org"


class World:
    """The playing services, and a weather file that runs against them append to."""

    def __init__(self, folder: Path, server: WeatherServer) -> None:
        self.server = server
        server.clock = lambda: self.now
        self.store = Store(folder / "observations.jsonl")
        self.cache = folder / "cache"
        self.now = START
        self.places = [MOSCOW, BERLIN]

    def providers(self, *names: str, deadline: float = 5.0) -> list[Provider]:
        """New providers, as a new process makes them."""
        return build_providers(
            names or BOTH,
            open_meteo_url=self.server.open_meteo_url,
            met_norway_url=self.server.met_norway_url,
            user_agent=USER_AGENT,
            cache_folder=self.cache,
            deadline=deadline,
        )

    def collect(self, *names: str, deadline: float = 5.0) -> Collected:
        """One run, now, as a new process makes it."""
        return collect(self.places, self.providers(*names, deadline=deadline), self.store, self.now, COLLECT_MINUTES)

    def wait(self, **span: float) -> None:
        """Let the clock go on."""
        self.now += timedelta(**span)

    def rows(self) -> list[dict[str, Any]]:
        """What is in the weather file; every line of it must be a row."""
        return [json.loads(line) for line in self.store.path.read_text().splitlines()]

    def times(self, place: Place) -> list[str]:
        """Hours and minutes of the observations of a place, in the order of the file."""
        return [row["observed_at"][11:16] for row in self.rows() if row["place"] == place.name]

    def count(self, place: Place) -> int:
        """How many times of observation there are of a place."""
        return len({row["observed_at"] for row in self.rows() if row["place"] == place.name})


def requests_under_way() -> int:
    """How many threads of this process make requests to weather services, or keep connections to them."""
    return sum(thread.name == "weather-requests" for thread in threading.enumerate())


@contextmanager
def weather_world(folder: Path) -> Iterator[World]:
    """A world whose services are up."""
    with weather_server() as server:
        yield World(folder, server)
