"""A weather file with rows that are known, for those who read it."""

import json
import math
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from app.weather.observation import Observation, Place
from app.weather.schedule import quarter


def write_weather(path: Path, places: Iterable[str], days: float, end: datetime | None = None) -> Path:
    """Write a weather file with every row of the last `days` up to `end` (now) for each of the `places`."""
    end = quarter(end or datetime.now(UTC))
    moment = end - timedelta(days=days)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        while moment <= end:
            for place in places:
                if moment.minute != 45:
                    file.write(json.dumps(row(place, moment, wave(moment)), ensure_ascii=False) + "\n")
            moment += timedelta(minutes=15)
    return path


def wave(moment: datetime) -> float:
    """A temperature that follows the hour and, slowly, the day."""
    days = moment.timestamp() / 86_400
    return round(5 + 6 * math.sin(days * 2 * math.pi) + 8 * math.sin(days / 6) + 3 * math.sin(days * 1.7), 1)


def row(place: str, moment: datetime, temperature: float = 2.1) -> dict[str, object]:
    """The row that a run at that moment writes of an observation of that moment."""
    return Observation(
        Place(place, 55.7558, 37.6173),
        observed_at=moment,
        fetched_at=moment,
        provider="open-meteo",
        temperature_c=temperature,
        humidity_percent=87,
        pressure_hpa=1012.3,
        wind_speed_ms=3.4,
        wind_direction_deg=220,
        precipitation_mm=0.0,
        weather_code=3,
    ).to_row()
