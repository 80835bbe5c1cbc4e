"""The times of observation that runs at fixed minutes of the hour get."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, TypeAlias

QUARTER_MINUTES: Final = 15

Missing: TypeAlias = Mapping[str, Collection[datetime]]
"""For each place by name, the times of observation that are wanted from the past."""


def quarter(moment: datetime) -> datetime:
    """The quarter of an hour that `moment` lies in: what the services call the current time."""
    return moment.replace(minute=moment.minute // QUARTER_MINUTES * QUARTER_MINUTES, second=0, microsecond=0)


def slot_minutes(run_minutes: Sequence[int]) -> tuple[int, ...]:
    """The minutes of the hour that observations of runs at `run_minutes` have: 0, 15 and 30 for 1, 21 and 41."""
    return tuple(sorted({minute // QUARTER_MINUTES * QUARTER_MINUTES for minute in run_minutes}))


def slots_between(after: datetime, before: datetime, run_minutes: Sequence[int]) -> list[datetime]:
    """The times of observation strictly between two moments."""
    hour, slots = after.replace(minute=0, second=0, microsecond=0), []
    spans = [timedelta(minutes=minute) for minute in slot_minutes(run_minutes)]
    while hour < before:
        slots += [slot for span in spans if after < (slot := hour + span) < before]
        hour += timedelta(hours=1)
    return slots
