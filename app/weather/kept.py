"""What the end of the weather file has, as far back as a run must know it.

Rows stand in the order in which they were fetched, so that this is at the end, and a run costs the same however long
the file has grown.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

from app.weather.observation import Observation, format_time, parse_time
from app.weather.stamps import Stamp, stamps
from app.weather.tail import blocks_from_end

CLOCK_SLACK: Final = timedelta(hours=1)
"""How far clocks may have been wrong when rows were fetched."""
MOST_TIMES: Final = 20
"""Times of observation that are looked for as text; with more of them, reading every row is quicker."""
WINDOW_BYTES: Final = 4 * 1024 * 1024
"""How much of a window is looked through: six hours of 600 places, or of two and all that was backfilled for them."""
LOOK_BACK_BYTES: Final = 160 * 1024
LOOK_BACK_BYTES_A_PLACE: Final = 8 * 1024
"""How far back a place's last row is looked for before the window: at least three days of two places, seven hours of
five hundred; three times as long where MET Norway stood in. A gap in which nothing was written adds nothing to it,
however long it was."""


@dataclass(slots=True)
class Kept:
    """What the end of the file has of one place."""

    times: set[datetime] = field(default_factory=set)
    """The times of observation, of any provider."""
    own: datetime | None = None
    """The latest observation of the provider in question."""
    before: datetime | None = None
    """The latest observation that was fetched before the window."""

    @property
    def last(self) -> datetime:
        """That provider's last observation, or anybody's when it has none."""
        return self.own or max(self.times)

    @property
    def since(self) -> datetime:
        """From when on something may be missing: what was the last row when the window began, or before that `last`.

        A place that had none then has missed nothing before its first row.
        """
        return min(self.before or min(self.times), self.last)

    def add(self, observed_at: datetime, is_own: bool, is_before: bool) -> None:
        """Take note of a row."""
        self.times.add(observed_at)
        if is_own:
            self.own = max(observed_at, self.own or observed_at)
        if is_before:
            self.before = max(observed_at, self.before or observed_at)


def find_kept(descriptor: int, names: Collection[str], provider: str, window: datetime) -> dict[str, Kept]:
    """For each place by name, its rows since `window` began and back to the last one of `provider`.

    Places without a row are left out.
    """
    kept = {name: Kept() for name in names}
    start, skipped = format_time(window), list[bytes]()
    in_window, left = True, WINDOW_BYTES
    for block in blocks_from_end(descriptor):
        left -= len(block)
        if in_window or _may_tell(block, kept, provider):
            for piece in (*skipped, block):
                oldest = _take(kept, stamps(piece), provider, start)
            skipped.clear()
            if in_window and oldest < start:
                in_window, left = False, LOOK_BACK_BYTES + LOOK_BACK_BYTES_A_PLACE * len(kept)
        else:
            skipped.append(block)
        if left < 0 or not (in_window or any(of_place.own is None for of_place in kept.values())):
            break
    return {name: of_place for name, of_place in kept.items() if of_place.times}


def _take(kept: Mapping[str, Kept], found: Sequence[Stamp], provider: str, start: str) -> str:
    """Note the rows of the places in `kept`; returns when the first of all was fetched."""
    for place, observed_at, fetched_at, by in found:
        if of_place := kept.get(place):
            of_place.add(_moment(observed_at), by == provider, fetched_at < start)
    return found[0][2] if found else "~"


# Places share their times, and the runs of one process share most of what they read.
_moment = lru_cache(4096)(parse_time)


def _may_tell(block: bytes, kept: Mapping[str, Kept], provider: str) -> bool:
    """Whether `block` may have the last row of a place that none is known of, or none of `provider`; quick to see."""
    has_provider = provider.encode() in block
    sought = (name for name, of_place in kept.items() if not of_place.times or (has_provider and not of_place.own))
    return any(json.dumps(name, ensure_ascii=False).encode() in block for name in sought)


def not_kept(descriptor: int, observations: Sequence[Observation]) -> list[Observation]:
    """The observations whose identity is not in the file, each once."""
    identities = _recent_identities(descriptor, observations)
    new = []
    for observation in observations:
        if observation.identity not in identities:
            identities.add(observation.identity)
            new.append(observation)
    return new


def _recent_identities(descriptor: int, observations: Sequence[Observation]) -> set[tuple[str, str, str]]:
    """The identities in the file, as far back as one of the `observations` could have been written before.

    That cannot have been before it was observed, and rows stand in the order in which they were fetched. Blocks without
    one of the times of observation are not looked into: a year of rows that a clock far ahead has dated costs little.
    """
    oldest = format_time(min(observation.observed_at for observation in observations) - CLOCK_SLACK)
    times = {observation.identity[2].encode() for observation in observations}
    identities: set[tuple[str, str, str]] = set()
    for block in blocks_from_end(descriptor):
        if len(times) > MOST_TIMES or any(time in block for time in times):
            identities.update((provider, place, observed_at) for place, observed_at, _, provider in stamps(block))
        first = stamps(block.partition(b"\n")[0])
        if first and first[0][2] < oldest:
            break
    return identities
