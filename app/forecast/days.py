"""What is known of each day at its end, and what the day after it was like: the table that a model learns from."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from app.forecast.errors import ForecastError
from app.weather.errors import StoreError
from app.weather.reading import Malformed, read_samples
from app.weather.series import DAY, HOUR, Series, read_series

if TYPE_CHECKING:
    Array = np.ndarray[Any, Any]

LEAST_HOURS: Final = 18
"""A day with rows in fewer hours than that has no mean that could be trusted."""
LOOK_BACK: Final = 3
"""Days, today among them, of which the model is told."""
YEAR: Final = 365.25
FEATURES: Final = ("mean temperature of the last three days", "lowest and highest of today", "wind", "time of year")


@dataclass(frozen=True, slots=True)
class Table:
    """One row for each day of which enough is known, oldest first."""

    days: "Array"
    """The numbers of the days since 1970."""
    known: "Array"
    """What is known at the end of each of these days; the first column is its mean temperature in °C."""
    tomorrow: "Array"
    """The mean temperature of the day after it in °C; NaN where that is not known."""

    @property
    def complete(self) -> "Table":
        """The rows of which tomorrow is known."""
        there = ~np.isnan(self.tomorrow)
        return Table(self.days[there], self.known[there], self.tomorrow[there])


def read_table(path: Path, place: str, now: datetime) -> Table:
    """The table of a place from the weather file, with the days that are over.

    Raises ForecastError when the file cannot be read or has no rows of the place.
    """
    try:
        series = read_series(read_samples(path, Malformed()), (place,), None).get(place)
    except StoreError as error:
        raise ForecastError(str(error)) from None
    if series is None:
        raise ForecastError(f"The weather file has no rows of {place}.")
    return _table(series, int(now.timestamp() // DAY))


def _table(series: Series, today_number: int) -> Table:
    numbers = np.arange(int(series.times[0] // DAY), min(int(series.times[-1] // DAY) + 1, today_number))
    today = np.array([_day(series, int(number)) for number in numbers]).reshape(-1, 4)
    means = today[:, 0]
    before = [_shifted(means, back) for back in range(1, LOOK_BACK)]
    season = 2 * np.pi * numbers / YEAR
    known = np.column_stack([today, *before, np.sin(season), np.cos(season)])
    tomorrow = _shifted(means, -1)
    there = ~np.isnan(known).any(axis=1)
    return Table(numbers[there], known[there], tomorrow[there])


def _shifted(values: "Array", days: int) -> "Array":
    """The values of so many days before each day (or after it, when negative), NaN where there are none."""
    shifted = np.full(len(values), np.nan)
    if days > 0:
        shifted[days:] = values[:-days]
    else:
        shifted[:days] = values[-days:]
    return shifted


def _day(series: Series, number: int) -> tuple[float, ...]:
    """Mean, lowest and highest temperature and mean wind of a day in UTC; NaN where too little is known."""
    begin, end = np.searchsorted(series.times, (number * DAY, (number + 1) * DAY))
    there = ~np.isnan(series.temperatures[begin:end])
    temperatures, hours = series.temperatures[begin:end][there], series.times[begin:end][there] // HOUR
    if len(np.unique(hours)) < LEAST_HOURS:
        return (np.nan,) * 4
    winds = series.winds[begin:end]
    wind = winds[~np.isnan(winds)].mean() if not np.isnan(winds).all() else 0.0
    return temperatures.mean(), temperatures.min(), temperatures.max(), wind
