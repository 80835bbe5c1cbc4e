"""What a report tells, read from the weather file in one pass."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from app.reporting.errors import NoRows, ReportError
from app.reporting.period import Completeness, Period, completeness
from app.weather.errors import StoreError
from app.weather.observation import format_time, parse_time
from app.weather.parsing.met_norway import NAME as MET_NORWAY
from app.weather.reading import Malformed, Sample, read_samples
from app.weather.report import PlaceReport
from app.weather.schedule import quarter
from app.weather.series import Series, read_series


@dataclass(frozen=True, slots=True)
class Chapter:
    """What there is of one place in the period of the report."""

    figures: PlaceReport
    series: Series
    completeness: Completeness


@dataclass(frozen=True, slots=True)
class Contents:
    """What a report tells."""

    period: Period
    made_at: datetime
    chapters: list[Chapter]
    without: list[str]
    """The places that have no row in this period."""
    malformed: int
    """Lines of the file that are no rows."""


def read_contents(
    path: Path, places: Sequence[str], period: Period, now: datetime, run_minutes: Sequence[int]
) -> Contents:
    """The contents of a report about `places`, whose runs are at `run_minutes` of each hour.

    Raises NoRows when no place has a row in `period`, or there is no file yet, ReportError when it cannot be read.
    """
    malformed = Malformed()
    try:
        found = _rows(read_samples(path, malformed), places, period)
    except StoreError as error:
        raise (ReportError if path.exists() else NoRows)(str(error)) from None
    without = [place for place in places if place not in found or not found[place].samples]
    if len(without) == len(places):
        raise NoRows(f"There are no rows of {', '.join(places)} from {period}.")
    chapters = [_chapter(place, found[place], period, now, run_minutes) for place in places if place not in without]
    return Contents(period, now, chapters, without, malformed.count)


@dataclass(slots=True)
class _Rows:
    first: str
    """The time of the first row of the place, which may lie before the period."""
    samples: list[Sample] = field(default_factory=list)
    """Those in the period."""


def _rows(blocks: Iterable[list[Sample]], places: Collection[str], period: Period) -> dict[str, _Rows]:
    begin, end = format_time(period.begin), format_time(period.end)
    found: dict[str, _Rows] = {}
    for sample in (sample for block in blocks for sample in block if sample[0] in places):
        rows = found.setdefault(sample[0], _Rows(sample[1]))
        rows.first = min(rows.first, sample[1])
        if begin <= sample[1] < end:
            rows.samples.append(sample)
    return found


def _chapter(place: str, rows: _Rows, period: Period, now: datetime, run_minutes: Sequence[int]) -> Chapter:
    figures = PlaceReport(place)
    for provider in sorted({sample[2] for sample in rows.samples}):
        figures.add(provider, [sample for sample in rows.samples if sample[2] == provider])
    # MET Norway has one row an hour: where it gave every row, only full hours are expected.
    minutes = (0,) if set(figures.rows_of) == {MET_NORWAY} else run_minutes
    # Nothing is missing before the place was watched, nor where the run of a slot is still to come.
    due = Period(max(period.begin, parse_time(rows.first)), min(period.end, quarter(now)))
    found = completeness(due, [parse_time(sample[1]) for sample in rows.samples], minutes)
    return Chapter(figures, read_series([rows.samples], (), None)[place], found)
