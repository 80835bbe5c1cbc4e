"""The time of a value, and whether it can be that of the weather now."""

from datetime import UTC, datetime, timedelta
from typing import Final

from app.weather.observation import format_time
from app.weather.parsing.quoting import readable

AHEAD: Final = timedelta(minutes=5)
"""How far a service's clock may be ahead of ours."""


def from_unix(value: object) -> datetime:
    """The moment `value` seconds after 1970; raises ValueError for what is no such number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**33:
        raise ValueError(f"its time is '{readable(value)}', which is no Unix time")
    return datetime.fromtimestamp(value, UTC)


def from_iso(value: object, offset_seconds: object = None) -> datetime:
    """The moment that an ISO 8601 time names; one without an offset of its own lies `offset_seconds` east of UTC.

    Raises ValueError when it is no such time or nothing says which offset it has.
    """
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        moment = None
    if moment is None or not 1970 <= moment.year < 2200:
        raise ValueError(f"its time is '{readable(value)}', which is no ISO 8601 time of our days")
    if moment.tzinfo is not None:
        return moment.astimezone(UTC)
    if isinstance(offset_seconds, bool) or not isinstance(offset_seconds, int) or abs(offset_seconds) > 86_400:
        raise ValueError(f"its time '{readable(value)}' has no offset from UTC")
    return moment.replace(tzinfo=UTC) - timedelta(seconds=offset_seconds)


def check_current(observed_at: datetime, now: datetime, oldest: timedelta) -> None:
    """Raise ValueError when `observed_at` is older than `oldest` or lies in the future: it is not the weather now."""
    age = now - observed_at
    if age > oldest:
        raise ValueError(f"its time {format_time(observed_at)} is {_words(age)} old")
    if age < -AHEAD:
        raise ValueError(f"its time {format_time(observed_at)} lies {_words(-age)} in the future")


def _words(span: timedelta) -> str:
    minutes = int(span.total_seconds() // 60)
    return (
        f"{minutes} minutes" if minutes < 120 else f"{minutes // 60} hours" if minutes < 2880 else f"{span.days} days"
    )
