"""Times in the headers of a reply; one that cannot be read counts as absent."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

MOST_SECONDS: Final = 1e9
"""Longer waits are not told apart."""


def http_date(header: str | None) -> datetime | None:
    """The moment that a header such as Expires names, in UTC; None when it is missing or no date of our calendar."""
    try:
        stated = parsedate_to_datetime(header or "")
        return stated.astimezone(UTC) if stated.tzinfo else stated.replace(tzinfo=UTC)
    except (ValueError, OverflowError):  # a year of eleven digits is one that Python cannot even refuse
        return None


def retry_after(header: str | None, now: datetime) -> float | None:
    """The seconds from `now` that a Retry-After header asks to wait, in either form (RFC 9110, section 10.2.3).

    None when it is missing, unreadable, or asks for no wait.
    """
    text = (header or "").strip()
    if text.isascii() and text.isdecimal():
        return min(float(text), MOST_SECONDS) or None
    date = http_date(text)
    return max(0.0, (date - now).total_seconds()) or None if date else None
