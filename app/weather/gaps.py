"""Which observations of a schedule are there and which are missing, kept as one bit for each quarter of an hour."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from app.weather.schedule import slot_minutes

_BITS: Final = {f"{minute // 60:02}:{minute % 60:02}": 1 << minute // 15 for minute in range(24 * 60)}
"""Each minute of the day, and the bit of its quarter of an hour."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Slots of the schedule that follow one another and have no observation."""

    first: datetime
    last: datetime
    slots: int


@dataclass(slots=True)
class Calendar:
    """The quarters of an hour that have an observation, by day; a thousand years of them are small."""

    days: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))

    def add(self, times: Iterable[str]) -> int:
        """Note observations at `times`, in the form of the file; returns how many fell on a quarter that had one."""
        repeated, day, quarters = 0, "", 0
        for moment in times:
            if moment[:10] != day:
                self.days[day] |= quarters
                day = moment[:10]
                quarters = self.days[day]
            bit = _BITS[moment[11:16]]
            repeated += quarters & bit != 0
            quarters |= bit
        self.days[day] |= quarters
        self.days.pop("", None)
        return repeated

    def merge(self, other: "Calendar") -> None:
        """Take over what the other one has."""
        for day, quarters in other.days.items():
            self.days[day] |= quarters

    def bounds(self) -> tuple[datetime, datetime]:
        """The first and the last quarter with an observation; there must be one."""
        first, last = min(self.days), max(self.days)
        lowest = (self.days[first] & -self.days[first]).bit_length() - 1
        return _moment(date.fromisoformat(first), lowest), _moment(
            date.fromisoformat(last), self.days[last].bit_length() - 1
        )

    def expected(self, run_minutes: Sequence[int]) -> int:
        """How many slots runs at `run_minutes` have between the first and the last observation, both included."""
        return sum(due.bit_count() for _, due, _ in self._days_due(run_minutes))

    def gaps(self, run_minutes: Sequence[int]) -> list[Gap]:
        """Every gap in the schedule of runs at `run_minutes`, in order."""
        found: list[Gap] = []
        open_since: datetime | None = None
        last, slots = datetime.min.replace(tzinfo=UTC), 0
        for day, due, present in self._days_due(run_minutes):
            if due & ~present == 0 and open_since is None:
                continue
            for quarter in _bits(due):
                if present >> quarter & 1:
                    if open_since is not None:
                        found.append(Gap(open_since, last, slots))
                    open_since, slots = None, 0
                    continue
                last = _moment(day, quarter)
                open_since, slots = open_since or last, slots + 1
        return found

    def _days_due(self, run_minutes: Sequence[int]) -> Iterator[tuple[date, int, int]]:
        """Each day from the first to the last with the quarters that are due and those that are there."""
        first, last = self.bounds()
        every = sum(1 << hour * 4 + minute // 15 for hour in range(24) for minute in slot_minutes(run_minutes))
        day = first.date()
        while day <= last.date():
            due = every
            if day == first.date():
                due &= -1 << _quarter(first)
            if day == last.date():
                due &= (1 << _quarter(last) + 1) - 1
            yield day, due, self.days.get(day.isoformat(), 0)
            day += timedelta(days=1)


def _moment(day: date, quarter: int) -> datetime:
    return datetime.combine(day, time(quarter // 4, quarter % 4 * 15), UTC)


def _quarter(moment: datetime) -> int:
    return moment.hour * 4 + moment.minute // 15


def _bits(number: int) -> Iterator[int]:
    """The positions of the ones in `number`, lowest first."""
    while number:
        lowest = number & -number
        yield lowest.bit_length() - 1
        number ^= lowest
