"""What the end of the weather file has, as far back as a run must know it.

Rows stand in the order in which they were fetched, so that this is at the end, and a run costs the same however long
the file has grown.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from app.weather.observation import Observation, format_time, parse_time
from app.weather.stamps import Stamp, stamps
from app.weather.tail import blocks_from_end

CLOCK_SLACK: Final = timedelta(hours=1)
"""How far clocks may have been wrong when rows were fetched."""
MOST_TIMES: Final = 20
"""Times of observation that are looked for as text; with more of them, reading every row is quicker."""
LOOK_BACK_BYTES: Final = 512 * 1024
LOOK_BACK_BYTES_A_PLACE: Final = 8 * 1024
"""How far back rows are looked for: ten days of two places, nine hours of five hundred. A gap in which nothing was
written adds nothing to it, however long it was."""


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

    def add(self, stamp: Stamp, provider: str, window: str) -> None:
        """Take note of a row."""
        observed_at = parse_time(stamp.observed_at)
        self.times.add(observed_at)
        if stamp.provider == provider:
            self.own = max(observed_at, self.own or observed_at)
        if stamp.fetched_at < window:
            self.before = max(observed_at, self.before or observed_at)


def find_kept(descriptor: int, names: Collection[str], provider: str, window: datetime) -> dict[str, Kept]:
    """For each place by name, its rows since `window` began and back to the last one of `provider`.

    Places without a row are left out.
    """
    kept = {name: Kept() for name in names}
    start, searched = format_time(window), 0
    for block in blocks_from_end(descriptor):
        found = stamps(block)
        for stamp in found:
            if of_place := kept.get(stamp.place):
                of_place.add(stamp, provider, start)
        searched += len(block)
        seen = bool(found) and found[0].fetched_at < start and all(of_place.own for of_place in kept.values())
        if seen or searched > LOOK_BACK_BYTES + LOOK_BACK_BYTES_A_PLACE * len(kept):
            break
    return {name: of_place for name, of_place in kept.items() if of_place.times}


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
            identities.update((stamp.provider, stamp.place, stamp.observed_at) for stamp in stamps(block))
        first = stamps(block.partition(b"\n")[0])
        if first and first[0].fetched_at < oldest:
            break
    return identities
