"""Time series of the weather file, thinned out to what a picture can show."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from app.weather.gaps import Calendar
from app.weather.observation import format_time
from app.weather.parsing.met_norway import NAME as MET_NORWAY
from app.weather.reading import Sample

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]
    Gaps = list[tuple[float, float]]

HOUR: Final = 3600
DAY: Final = 24 * HOUR
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

    times: "Array"
    """Seconds since 1970."""
    temperatures: "Array"
    winds: "Array"
    precipitation: "dict[str, tuple[Array, Array]]"
    """Times and values by provider, since providers mean different things by it."""
    calendar: Calendar
    """Which slots of the schedule have a row."""


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

    earliest = "" if since is None else format_time(since)
    parts: dict[str, dict[str, list[Array]]] = defaultdict(lambda: defaultdict(list))
    calendars: dict[str, Calendar] = defaultdict(Calendar)
    for samples in blocks:
        groups: dict[tuple[str, str], list[Sample]] = defaultdict(list)
        for sample in samples:
            if sample[1] >= earliest and (not places or sample[0] in places):
                groups[sample[0], sample[2]].append(sample)
        for (place, provider), group in groups.items():
            parts[place][provider].append(_columns(group))
            calendars[place].add(sample[1] for sample in group)
    return {
        place: _series({name: np.concatenate(arrays, axis=1) for name, arrays in providers.items()}, calendars[place])
        for place, providers in parts.items()
    }


def _series(providers: "dict[str, Array]", calendar: Calendar) -> Series:
    """Columns by provider as one series; where two tell of the same time, the first one counts."""
    import numpy as np

    times, temperatures, winds, _ = np.concatenate(list(providers.values()), axis=1)
    _, first = np.unique(times, return_index=True)
    precipitation = {name: (columns[0], columns[3]) for name, columns in providers.items()}
    return Series(times[first], temperatures[first], winds[first], precipitation, calendar)


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


def line(times: "Array", values: "Array", point: int, gaps: "Gaps") -> Line:
    """`values` as they are, broken at the `gaps`, or gathered into points of so many seconds, broken at empty ones."""
    import numpy as np

    if point:
        known = ~np.isnan(values)
        drawn = _points(times[known], values[known], point)
        breaks = np.flatnonzero(np.diff(drawn.times) > point) + 1
    else:
        drawn = Line(times, values, values, values)
        breaks = np.searchsorted(times, [end for _, end in gaps]).astype(int)
    return Line(
        np.insert(drawn.times, breaks, drawn.times[breaks - 1] + 1),
        np.insert(drawn.least, breaks, np.nan),
        np.insert(drawn.mean, breaks, np.nan),
        np.insert(drawn.greatest, breaks, np.nan),
    )


def _points(times: "Array", values: "Array", point: int) -> Line:
    import numpy as np

    if not len(times):
        return Line(times, values, values, values)
    bins = times // point
    starts = np.flatnonzero(np.diff(bins, prepend=bins[0] - 1))
    counts = np.diff(starts, append=len(times))
    return Line(
        bins[starts] * point + point / 2,
        np.minimum.reduceat(values, starts),
        np.add.reduceat(values, starts) / counts,
        np.maximum.reduceat(values, starts),
    )


def alone(values: "Array") -> "Array":
    """Which of `values` are known while their neighbours are not: a line alone would not show them."""
    import numpy as np

    unknown = np.isnan(np.concatenate(([np.nan], values, [np.nan])))
    return np.asarray(~unknown[1:-1] & unknown[:-2] & unknown[2:])


def sums(times: "Array", values: "Array", bar: int) -> "tuple[Array, Array]":
    """The beginnings of the bars, in seconds since 1970, and the sum of the rows in each."""
    import numpy as np

    known = ~np.isnan(values)
    begins, where = np.unique(times[known] // bar * bar, return_inverse=True)
    return begins, np.bincount(where, weights=values[known], minlength=len(begins))


def gaps(series: Series, run_minutes: Sequence[int]) -> "Gaps":
    """The gaps that the report counts, each from the row before it to the row after it, in seconds since 1970.

    MET Norway has one row an hour: where it gave every row, only full hours are expected.
    """
    import numpy as np

    minutes = (0,) if set(series.precipitation) == {MET_NORWAY} else run_minutes
    found = []
    for gap in series.calendar.gaps(minutes):
        before = np.searchsorted(series.times, gap.first.timestamp()) - 1
        after = np.searchsorted(series.times, gap.last.timestamp())
        found.append((float(series.times[before]), float(series.times[after])))
    return found
