"""Time series of the weather file, thinned out to what a picture can show."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from app.weather.reading import Sample

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

HOUR: Final = 3600
DAY: Final = 24 * HOUR
LONGEST_STEP: Final = 65 * 60
"""Seconds between two rows that are neighbours: MET Norway has one an hour."""
SCALES: Final = (
    (3 * DAY, 0, HOUR, "an hour"),
    (14 * DAY, 0, 6 * HOUR, "6 hours"),
    (45 * DAY, 0, DAY, "a day"),
    (800 * DAY, DAY, DAY, "a day"),
    (float("inf"), 7 * DAY, 7 * DAY, "a week"),
)
"""For spans up to so many seconds: the seconds that one point of a line stands for (0: every row is a point), and the
seconds and the name of what one bar of precipitation sums up."""


@dataclass(frozen=True, slots=True)
class Series:
    """The rows of one place, oldest first; values that are not known are NaN."""

    providers: frozenset[str]
    times: "Array"
    """Seconds since 1970."""
    temperatures: "Array"
    winds: "Array"
    precipitation: "Array"


@dataclass(frozen=True, slots=True)
class Line:
    """A value over time; NaN between points that are no neighbours, so that a drawn line breaks there."""

    times: "Array"
    least: "Array"
    mean: "Array"
    greatest: "Array"


def read_series(blocks: Iterable[list[Sample]], places: Collection[str], since: datetime | None) -> dict[str, Series]:
    """The series of `places` (of all when empty) from `since` on, by name, in the order of the file."""
    import numpy as np

    earliest = "" if since is None else since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    parts: dict[str, list[Array]] = defaultdict(list)
    providers: dict[str, set[str]] = defaultdict(set)
    for samples in blocks:
        groups: dict[str, list[Sample]] = defaultdict(list)
        for sample in samples:
            if sample[1] >= earliest and (not places or sample[0] in places):
                groups[sample[0]].append(sample)
        for place, group in groups.items():
            parts[place].append(_columns(group))
            providers[place].update(sample[2] for sample in group)
    series = {}
    for place, arrays in parts.items():
        times, *values = np.concatenate(arrays, axis=1)
        _, first = np.unique(times, return_index=True)  # where two services tell of the same time, the first one counts
        series[place] = Series(frozenset(providers[place]), times[first], *(value[first] for value in values))
    return series


def _columns(samples: list[Sample]) -> "Array":
    import numpy as np

    _, times, _, temperatures, winds, precipitation, _ = zip(*samples, strict=True)
    seconds = np.array([time[:-1] for time in times], dtype="datetime64[s]").astype(np.int64)
    values = [
        [float("nan") if text == "null" else float(text) for text in column]
        for column in (temperatures, winds, precipitation)
    ]
    return np.array([seconds, *values], dtype=np.float64)


def scale(span: float) -> tuple[int, int, str]:
    """For a span in seconds: what a point and a bar stand for, in seconds, and the bar's in words."""
    return next((point, bar, name) for longest, point, bar, name in SCALES if span <= longest)


def line(times: "Array", values: "Array", point: int) -> Line:
    """`values` as they are, or gathered into points of so many seconds; broken where rows are missing."""
    import numpy as np

    known = ~np.isnan(values)
    times, values = times[known], values[known]
    if point and len(times):
        bins = times // point
        starts = np.flatnonzero(np.diff(bins, prepend=bins[0] - 1))
        counts = np.diff(starts, append=len(times))
        drawn = Line(
            bins[starts] * point + point / 2,
            np.minimum.reduceat(values, starts),
            np.add.reduceat(values, starts) / counts,
            np.maximum.reduceat(values, starts),
        )
    else:
        drawn = Line(times, values, values, values)
    breaks = np.flatnonzero(np.diff(drawn.times) > max(LONGEST_STEP, point * 1.5)) + 1
    return Line(
        np.insert(drawn.times, breaks, drawn.times[breaks - 1] + 1),
        np.insert(drawn.least, breaks, np.nan),
        np.insert(drawn.mean, breaks, np.nan),
        np.insert(drawn.greatest, breaks, np.nan),
    )


def sums(times: "Array", values: "Array", bar: int) -> "tuple[Array, Array]":
    """The beginnings of the bars, in seconds since 1970, and what fell in each."""
    import numpy as np

    known = ~np.isnan(values)
    begins, where = np.unique(times[known] // bar * bar, return_inverse=True)
    return begins, np.bincount(where, weights=values[known], minlength=len(begins))


def gaps(times: "Array", shortest: float) -> "list[tuple[float, float]]":
    """Where no rows are for longer than `shortest` seconds (and than neighbours are apart), in seconds since 1970."""
    import numpy as np

    after = np.flatnonzero(np.diff(times) > max(LONGEST_STEP, shortest))
    return [(float(times[index]), float(times[index + 1])) for index in after]
