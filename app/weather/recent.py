"""The rows that were observed last, read from the end of the weather file: its length does not matter."""

import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from app.weather.errors import StoreError
from app.weather.files import opened
from app.weather.kept import CLOCK_SLACK
from app.weather.observation import format_time
from app.weather.row import Row, parse_row
from app.weather.tail import blocks_from_end


def recent_rows(path: Path, since: datetime) -> list[Row]:
    """The rows observed at `since` or later, the oldest first; none where there is no file.

    Of two rows of one place and time, by different providers, the one that was written first counts, as in a plot.
    Raises StoreError when the file cannot be read.
    """
    try:
        with opened(path, os.O_RDONLY) as descriptor:
            rows = list(_rows_back_to(descriptor, since))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StoreError(f"The weather file {path} cannot be read: {error.strerror}.") from None
    first_written = {(row["place"], row["observed_at"]): row for row in rows}
    return sorted(first_written.values(), key=lambda row: row["observed_at"])


def _rows_back_to(descriptor: int, since: datetime) -> Iterator[Row]:
    """Those rows, the last written first. What was fetched before cannot have been observed after."""
    wanted, enough = format_time(since), format_time(since - CLOCK_SLACK)
    for block in blocks_from_end(descriptor):
        oldest = "~"
        for line in reversed(block.split(b"\n")):
            with suppress(ValueError):
                row = parse_row(line)
                oldest = min(oldest, row["fetched_at"])
                if row["observed_at"] >= wanted:
                    yield row
        if oldest < enough:
            return
