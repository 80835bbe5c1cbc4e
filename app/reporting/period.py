"""The time that a report is about, and which of its slots have a row."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final, Self

from app.reporting.errors import ReportError
from app.weather.gaps import Gap
from app.weather.schedule import quarter, slots_between

MOST_DAYS: Final = 366


@dataclass(frozen=True, slots=True)
class Period:
    """The time from `begin` on and before `end`, in UTC."""

    begin: datetime
    end: datetime

    @classmethod
    def last_days(cls, days: int, now: datetime) -> Self:
        """The last `days` times 24 hours, to the quarter of an hour; raises ReportError for too few or too many."""
        if not 1 <= days <= MOST_DAYS:
            raise ReportError(f"A report covers 1 to {MOST_DAYS} days, not {days}.")
        end = quarter(now) + timedelta(minutes=15)
        return cls(end - timedelta(days=days), end)

    @classmethod
    def day_before(cls, now: datetime) -> Self:
        """The last whole day in UTC."""
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        return cls(midnight - timedelta(days=1), midnight)

    def __str__(self) -> str:
        return f"{self.begin:%Y-%m-%d %H:%M} to {self.end:%Y-%m-%d %H:%M} UTC"


@dataclass(frozen=True, slots=True)
class Completeness:
    """How much of a schedule is there."""

    due: Sequence[datetime]
    """The slots of the schedule, in order."""
    present: Collection[datetime]
    """Slots that have a row."""

    @property
    def missing(self) -> int:
        """How many of those that are due have no row."""
        return sum(slot not in self.present for slot in self.due)

    @property
    def percent(self) -> float:
        """Rounded down, so that 100 means all of it."""
        return (len(self.due) - self.missing) * 10_000 // len(self.due) / 100 if self.due else 100.0

    @property
    def gaps(self) -> list[Gap]:
        """Missing slots that follow one another, in order."""
        runs = [(there, list(run)) for there, run in groupby(self.due, key=self.present.__contains__)]
        return [Gap(run[0], run[-1], len(run)) for there, run in runs if not there]

    def within(self, period: Period) -> Self:
        """The same of a part of the time."""
        return replace(self, due=[slot for slot in self.due if period.begin <= slot < period.end])


def completeness(period: Period, times: Iterable[datetime], run_minutes: Sequence[int]) -> Completeness:
    """How much of what runs at `run_minutes` should have collected in `period` is there, with rows at `times`."""
    due = slots_between(period.begin - timedelta(seconds=1), period.end, run_minutes)
    return Completeness(due, {quarter(moment) for moment in times})
