"""What tells the rows of a piece of the weather file apart, without decoding all of it."""

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import TypeAlias

from app.weather.row import TIME, parse_row

Stamp: TypeAlias = tuple[str, str, str, str]
"""Place, time of observation, time of fetching and provider; times as in the file, in text that sorts as time does."""


def stamps(block: bytes) -> list[Stamp]:
    """The stamp of every row in `block`, in order; what is no row is left out, since that is for readers to report."""
    lines = block.count(b"\n") + 1
    try:
        found: list[Stamp] = _LINE.findall(block.decode())
    except UnicodeDecodeError:
        found = []
    # More braces than lines are two lines run together.
    return found if len(found) == lines == block.count(b"{") else list(_one_by_one(block))


def _one_by_one(block: bytes) -> Iterator[Stamp]:
    for line in block.split(b"\n"):
        with suppress(ValueError):
            row = parse_row(line)
            yield row["place"], row["observed_at"], row["fetched_at"], row["provider"]


# A line as `Store.append` writes it. Every run looks through hundreds of them; any other line goes to `parse_row`.
_LINE = re.compile(
    r'^{"schema": 1, "place": "([^"\\\x00-\x1f]++)", "latitude": [\d.-]++, "longitude": [\d.-]++, '
    rf'"observed_at": "({TIME})", "fetched_at": "({TIME})", "provider": "([a-z-]++)", .*+(?<=}})$',
    re.MULTILINE | re.ASCII,
)
