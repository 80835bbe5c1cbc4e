"""A weather file with rows that are known, for what is made from it."""

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
                    file.write(json.dumps(row(place, moment), ensure_ascii=False) + "\n")
            moment += timedelta(minutes=15)
    return path


def row(place: str, moment: datetime) -> dict[str, object]:
    """A row whose temperature follows the hour and, slowly, the day."""
    days = moment.timestamp() / 86_400
    temperature = 5 + 6 * math.sin(days * 2 * math.pi) + 8 * math.sin(days / 6) + 3 * math.sin(days * 1.7)
    observation = Observation(
        Place(place, 55.7, 37.6),
        moment,
        moment,
        "open-meteo",
        temperature_c=round(temperature, 1),
        wind_speed_ms=3.0,
        precipitation_mm=0.0,
    )
    return observation.to_row()
