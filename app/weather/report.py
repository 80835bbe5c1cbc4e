"""What a log of a year must answer: rows, first and last, gaps, completeness and extremes of every place."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from app.weather.gaps import Calendar, Gap
from app.weather.observation import format_time
from app.weather.reading import Malformed, Progress, Sample, numbers, read_samples

LONGEST_GAPS: Final = 5


@dataclass(slots=True)
class PlaceReport:
    """What the file has of one place."""

    place: str
    rows: int = 0
    first: str = "~"
    last: str = ""
    backfilled: int = 0
    repeated: int = 0
    """Rows of a provider in a quarter of an hour that it has another row in."""
    calendars: dict[str, Calendar] = field(default_factory=lambda: defaultdict(Calendar))
    """By provider."""
    rows_of: Counter[str] = field(default_factory=Counter)
    temperatures: int = 0
    temperature_sum: float = 0.0
    coldest: tuple[float, str] = (float("inf"), "")
    """The lowest temperature in °C, and when."""
    warmest: tuple[float, str] = (float("-inf"), "")
    strongest_wind: tuple[float, str] = (float("-inf"), "")
    precipitation_mm: float = 0.0
    expected: int = 0
    """Slots of the schedule from the first to the last row."""
    missing: int = 0
    gap_count: int = 0
    longest_gaps: list[Gap] = field(default_factory=list)

    def add(self, provider: str, samples: Sequence[Sample]) -> None:
        """Take in some rows of this place and one provider."""
        _, times, _, temperatures, winds, precipitation, backfilled = zip(*samples, strict=True)
        self.rows += len(samples)
        self.rows_of[provider] += len(samples)
        self.first, self.last = min(self.first, *times), max(self.last, *times)
        self.backfilled += backfilled.count("true")
        self.repeated += self.calendars[provider].add(times)
        self.precipitation_mm += sum(numbers(precipitation))
        self._add_winds(winds, times)
        self._add_temperatures(temperatures, times)

    def _add_temperatures(self, column: Sequence[str], times: Sequence[str]) -> None:
        if known := numbers(column):
            self.temperatures += len(known)
            self.temperature_sum += sum(known)
            if (lowest := min(known)) < self.coldest[0]:
                self.coldest = lowest, _when(lowest, column, times)
            if (highest := max(known)) > self.warmest[0]:
                self.warmest = highest, _when(highest, column, times)

    def _add_winds(self, column: Sequence[str], times: Sequence[str]) -> None:
        if (known := numbers(column)) and (highest := max(known)) > self.strongest_wind[0]:
            self.strongest_wind = highest, _when(highest, column, times)

    @property
    def completeness_percent(self) -> float:
        """How much of the schedule is there; rounded down, so that 100 means all of it."""
        return (self.expected - self.missing) * 10_000 // self.expected / 100 if self.expected else 100.0

    def finish(self, run_minutes: Sequence[int]) -> None:
        """Work out the gaps, when all rows have been seen."""
        calendar = Calendar()
        for of_provider in self.calendars.values():
            calendar.merge(of_provider)
        gaps = calendar.gaps(run_minutes)
        self.expected = calendar.expected(run_minutes)
        self.missing = sum(gap.slots for gap in gaps)
        self.gap_count = len(gaps)
        self.longest_gaps = sorted(gaps, key=lambda gap: -gap.slots)[:LONGEST_GAPS]

    def as_dict(self) -> dict[str, Any]:
        """The same as a JSON object."""
        return {
            "place": self.place,
            "rows": self.rows,
            "first": self.first,
            "last": self.last,
            "providers": dict(self.rows_of),
            "backfilled": self.backfilled,
            "repeated": self.repeated,
            "expected": self.expected,
            "missing": self.missing,
            "completeness_percent": self.completeness_percent,
            "gaps": self.gap_count,
            "longest_gaps": [
                {"first": format_time(gap.first), "last": format_time(gap.last), "slots": gap.slots}
                for gap in self.longest_gaps
            ],
            "temperature_c": {
                "min": self.coldest[0] if self.temperatures else None,
                "min_at": self.coldest[1] or None,
                "mean": round(self.temperature_sum / self.temperatures, 2) if self.temperatures else None,
                "max": self.warmest[0] if self.temperatures else None,
                "max_at": self.warmest[1] or None,
            },
            "wind_speed_ms": {
                "max": self.strongest_wind[0] if self.strongest_wind[1] else None,
                "max_at": self.strongest_wind[1] or None,
            },
            "precipitation_mm": {"sum_of_rows": round(self.precipitation_mm, 1)},
        }


@dataclass(frozen=True, slots=True)
class Report:
    """What the file has of every place, in the order in which they appear in it."""

    path: Path
    places: list[PlaceReport]
    malformed: Malformed
    made_at: datetime

    def as_dict(self) -> dict[str, Any]:
        """The same as a JSON object."""
        return {
            "file": str(self.path),
            "made_at": format_time(self.made_at),
            "rows": sum(place.rows for place in self.places),
            "malformed": self.malformed.count,
            "malformed_lines": [{"line": line, "reason": reason} for line, reason in self.malformed.examples],
            "places": [place.as_dict() for place in self.places],
        }


def make_report(
    path: Path,
    now: datetime,
    run_minutes: Sequence[int],
    progress: Progress = lambda count: None,
) -> Report:
    """Read the whole file once, in little memory; raises StoreError when that cannot be done."""
    malformed = Malformed()
    places = _count(read_samples(path, malformed, progress))
    for place in places:
        place.finish(run_minutes)
    return Report(path, places, malformed, now)


def _count(blocks: Iterable[list[Sample]]) -> list[PlaceReport]:
    """One pass over the file; what is done for every single row is as little as can be, since there are a million."""
    reports: dict[str, PlaceReport] = {}
    for samples in blocks:
        groups: dict[tuple[str, str], list[Sample]] = defaultdict(list)
        for sample in samples:
            groups[sample[0], sample[2]].append(sample)
        for (place, provider), group in groups.items():
            reports.setdefault(place, PlaceReport(place)).add(provider, group)
    return list(reports.values())


def _when(value: float, column: Iterable[str], times: Iterable[str]) -> str:
    """The first of `times` at which `column` has `value`."""
    return next(time for text, time in zip(column, times, strict=True) if text != "null" and float(text) == value)
