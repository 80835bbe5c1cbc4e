"""Rows of the weather file, for tests of those who read it."""

from datetime import datetime

from app.weather.observation import Observation, Place


def row(place: str, moment: datetime, temperature: float = 2.1) -> dict[str, object]:
    """The row that a run at that moment writes of an observation of that moment."""
    where = Place(place, 55.7558, 37.6173)
    return Observation(
        where,
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
