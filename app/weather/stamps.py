"""What tells the rows of a piece of the weather file apart, without decoding all of it."""

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from app.weather.row import parse_row


class Stamp(NamedTuple):
    """Which row it is; times are text as in the file, which sorts as time does."""

    place: str
    observed_at: str
    fetched_at: str
    provider: str


def stamps(block: bytes) -> list[Stamp]:
    """The stamp of every row in `block`, in order; what is no row is left out, since that is for readers to report."""
    lines = block.count(b"\n") + 1
    try:
        found = _LINE.findall(block.decode())
    except UnicodeDecodeError:
        found = []
    return [Stamp(*groups) for groups in found] if len(found) == lines else list(_one_by_one(block))


def _one_by_one(block: bytes) -> Iterator[Stamp]:
    for line in block.split(b"\n"):
        with suppress(ValueError):
            row = parse_row(line)
            yield Stamp(row["place"], row["observed_at"], row["fetched_at"], row["provider"])


_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
# A line as `Store.append` writes it. Every run looks through hundreds of them; any other line goes to `parse_row`.
_LINE = re.compile(
    r'^{"schema": 1, "place": "([^"\\\x00-\x1f]++)", "latitude": [\d.-]++, "longitude": [\d.-]++, '
    rf'"observed_at": "({_TIME})", "fetched_at": "({_TIME})", "provider": "([a-z-]++)", [^{{}}\n]*+}}$',
    re.MULTILINE | re.ASCII,
)
