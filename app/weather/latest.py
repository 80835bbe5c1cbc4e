"""How old the weather file's last row is."""

import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from app.weather.errors import StoreError
from app.weather.files import opened
from app.weather.observation import parse_time
from app.weather.stamps import stamps
from app.weather.tail import blocks_from_end

PERIODS = {"met-norway": timedelta(hours=1)}
"""How often a service has something new, where that is less often than it is asked."""


@dataclass(frozen=True, slots=True)
class Latest:
    """The row that was fetched last."""

    place: str
    fetched_at: datetime
    provider: str

    def is_overdue(self, now: datetime, period: timedelta) -> bool:
        """Whether two periods have passed without another row: every run of a `period` brings one, or the next does."""
        return now - self.fetched_at > 2 * max(period, PERIODS.get(self.provider, period))


def latest_row(path: Path) -> Latest | None:
    """The row that was fetched last; None where there is none. Raises StoreError when the file cannot be read."""
    try:
        with opened(path, os.O_RDONLY) as descriptor:
            found = next(filter(None, map(stamps, blocks_from_end(descriptor))), None)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"The weather file {path} cannot be read: {error.strerror}.") from None
    if found is None:
        return None
    place, _, fetched_at, provider = max(found, key=lambda stamp: stamp[2])
    return Latest(place, parse_time(fetched_at), provider)
