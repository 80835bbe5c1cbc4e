"""One observation of the weather: its identity, its physical limits, and its row in the weather file (schema 1)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

SCHEMA: Final = 1

LIMITS: Final[Mapping[str, tuple[float, float, str]]] = {
    "temperature_c": (-95, 65, "°C"),
    "humidity_percent": (0, 100, "%"),
    "pressure_hpa": (850, 1100, "hPa"),
    "wind_speed_ms": (0, 120, "m/s"),
    "wind_direction_deg": (0, 360, "°"),
    "precipitation_mm": (0, 500, "mm"),
    "weather_code": (0, 99, ""),
}
"""The measured fields with the least and greatest value that can be true near the ground, and their unit.

The records behind them (WMO World Weather and Climate Extremes Archive) are -89.2 and 56.7 °C, 870 and 1084 hPa,
113 m/s and 305 mm of rain in 42 minutes; weather codes are those of WMO code table 4677.
"""

MEASURED: Final = tuple(LIMITS)


@dataclass(frozen=True, slots=True)
class Place:
    """A named point on the Earth, in degrees north and degrees east.

    Raises ValueError for an empty name and for coordinates that are not on the Earth.
    """

    name: str
    latitude: float
    longitude: float

    def __post_init__(self) -> None:
        if not self.name or not self.name.isprintable():
            raise ValueError(f"A place needs a printable name, not {self.name!r}.")
        for axis, value, limit in (("latitude", self.latitude, 90), ("longitude", self.longitude, 180)):
            if not (math.isfinite(value) and -limit <= value <= limit):
                raise ValueError(f"The {axis} of {self.name!r} must lie between -{limit} and {limit}, not {value}.")


@dataclass(frozen=True, slots=True)
class Observation:
    """The weather at a place and time, as one provider tells it; a value that is not known is None.

    `precipitation_mm` is the sum over the interval that the provider uses: see the provider's module.
    Raises ValueError, with a sentence, when no value is known or one is not finite or not physically possible.
    """

    place: Place
    observed_at: datetime
    fetched_at: datetime
    provider: str
    temperature_c: float | None = None
    humidity_percent: float | None = None
    pressure_hpa: float | None = None
    wind_speed_ms: float | None = None
    wind_direction_deg: float | None = None
    precipitation_mm: float | None = None
    weather_code: int | None = None
    kind: str = "model"
    backfilled: bool = False

    def __post_init__(self) -> None:
        for field in MEASURED:
            check_value(field, getattr(self, field))
        if all(getattr(self, field) is None for field in MEASURED):
            raise ValueError("has no values")

    @property
    def identity(self) -> tuple[str, str, str]:
        """Provider, place and time of observation: what makes two rows the same."""
        return self.provider, self.place.name, format_time(self.observed_at)

    def to_row(self) -> dict[str, object]:
        """The observation as a row of the weather file."""
        return {
            "schema": SCHEMA,
            "place": self.place.name,
            "latitude": self.place.latitude,
            "longitude": self.place.longitude,
            "observed_at": format_time(self.observed_at),
            "fetched_at": format_time(self.fetched_at),
            "provider": self.provider,
            "kind": self.kind,
            **{field: getattr(self, field) for field in MEASURED},
            "backfilled": self.backfilled,
        }


def check_value(field: str, value: float | None) -> None:
    """Raise ValueError, with a sentence, when `value` cannot be true of the measured `field`; None always can."""
    if value is None:
        return
    least, greatest, unit = LIMITS[field]
    check_finite(field, value)
    if not least <= value <= greatest:
        raise ValueError(f"{field} is {value:g}, outside {least} to {greatest} {unit}".rstrip())


def check_finite(field: str, value: float) -> None:
    """Raise ValueError when `value` is not finite or, being a whole number, too great to become a float."""
    if not -1e300 < value < 1e300:
        raise ValueError(f"{field} is not finite")


def format_time(moment: datetime) -> str:
    """`moment` in UTC, to the second, as the weather file has it: 2026-11-22T03:15:00Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_time(text: str) -> datetime:
    """The moment that a time of the weather file names; raises ValueError for anything else."""
    if len(text) != 20 or text[-1] != "Z" or text[10] != "T":
        raise ValueError(f"{text!r} is not a time such as 2026-11-22T03:15:00Z")
    return datetime.fromisoformat(text)
