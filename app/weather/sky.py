"""Words for numbers: the state of the sky and the direction of the wind."""

from collections.abc import Mapping
from typing import Final

SKY: Final[Mapping[int, str]] = {
    0: "clear sky",
    1: "mainly clear",
    2: "partly cloudy",
    3: "overcast",
    45: "fog",
    48: "freezing fog",
    51: "light drizzle",
    53: "drizzle",
    55: "dense drizzle",
    56: "light freezing drizzle",
    57: "freezing drizzle",
    61: "light rain",
    63: "rain",
    65: "heavy rain",
    66: "light freezing rain",
    67: "freezing rain",
    71: "light snow",
    73: "snow",
    75: "heavy snow",
    77: "snow grains",
    80: "light showers",
    81: "showers",
    82: "violent showers",
    85: "light snow showers",
    86: "snow showers",
    95: "thunderstorm",
    96: "thunderstorm, hail",
    99: "thunderstorm, heavy hail",
}
"""The WMO codes (table 4677) that Open-Meteo uses, from https://open-meteo.com/en/docs."""

_POINTS: Final = ("N", "NNE", "NE", "ENE", "E", "ESE", "SE", "SSE", "S", "SSW", "SW", "WSW", "W", "WNW", "NW", "NNW")


def sky(weather_code: int | None) -> str:
    """The state of the sky in words; the number itself for a code that Open-Meteo does not use."""
    if weather_code is None:
        return ""
    return SKY.get(weather_code, f"code {weather_code}")


def compass(degrees: float | None) -> str:
    """The point of the compass, of sixteen, that the wind comes from."""
    return "" if degrees is None else _POINTS[round(degrees / 22.5) % 16]
