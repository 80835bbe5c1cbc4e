"""What the picture is drawn from: its gaps, its lines and its bars."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from app.weather.observation import Observation, Place
from app.weather.plot import save_plot
from app.weather.reading import Malformed, read_samples
from app.weather.series import Series, alone, gaps, line, read_series

pytestmark = pytest.mark.timeout(20)

OSLO = Place("Oslo", 59.91, 10.75)
START = datetime(2026, 11, 22, tzinfo=UTC)
RUN_MINUTES = (1, 21, 41)


def write(path: Path, minutes: Iterable[int], provider: str = "open-meteo", **values: object) -> Path:
    with path.open("a") as file:
        for minute in minutes:
            time = START + timedelta(minutes=minute)
            row = Observation(OSLO, time, time, provider, **({"temperature_c": 1.5} | values)).to_row()  # type: ignore[arg-type]
            file.write(json.dumps(row) + "\n")
    return path


def series_of(path: Path) -> Series:
    return read_series(read_samples(path, Malformed()), (), None)["Oslo"]


def minutes(gap: tuple[float, float]) -> tuple[float, ...]:
    return tuple((moment - START.timestamp()) / 60 for moment in gap)


def test_two_missing_slots_are_a_gap(tmp_path: Path) -> None:
    """A gap reaches from the row before it to the row after it, and the line breaks in it and nowhere else."""
    series = series_of(write(tmp_path / "file", [0, 15, 30, 60, 75, 120, 135, 150]))
    found = gaps(series, RUN_MINUTES)
    assert [minutes(gap) for gap in found] == [(75, 120)]
    assert (
        np.isnan(line(series.times, series.temperatures, 0, found).mean).tolist() == [False] * 5 + [True] + [False] * 3
    )


def test_hourly_rows_of_met_norway_are_complete(tmp_path: Path) -> None:
    """Where MET Norway gave every row, only full hours are expected."""
    series = series_of(write(tmp_path / "file", [0, 60, 120, 240], "met-norway"))
    assert [minutes(gap) for gap in gaps(series, RUN_MINUTES)] == [(120, 240)]


def test_providers_never_share_a_bar(tmp_path: Path) -> None:
    """Precipitation is kept by provider, since one means what fell and the other what is expected."""
    path = write(tmp_path / "file", [0, 15], precipitation_mm=0.5)
    series = series_of(write(path, [0, 60], "met-norway", precipitation_mm=2.0))
    assert {name: values.tolist() for name, (_, values) in series.precipitation.items()} == {
        "open-meteo": [0.5, 0.5],
        "met-norway": [2.0, 2.0],
    }
    assert len(series.times) == 3


def test_points_that_stand_alone_are_known() -> None:
    """A value between two that are not known would not be seen in a line."""
    unknown = float("nan")
    assert alone(np.array([1, unknown, 2, unknown, 3, 4])).tolist() == [True, False, True, False, False, False]


@pytest.mark.parametrize("field", ["temperature_c", "humidity_percent", "wind_speed_ms"])
def test_a_place_with_one_value_only_is_drawn(tmp_path: Path, field: str) -> None:
    """Rows that hold nothing but one value make a picture."""
    values = {"temperature_c": None, field: 5.0}
    path = write(tmp_path / "file", [0, 15], **values)
    assert save_plot(path, tmp_path / "weather.png", Malformed(), RUN_MINUTES) == ["Oslo"]
