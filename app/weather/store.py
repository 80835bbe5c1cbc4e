"""The weather file: one JSON object per line, only ever appended to, and the only truth there is.

Writers take turns by a lock file beside it. A row whose identity (provider, place, time of observation) is kept already
is not written again. Rows stand in the order in which they were fetched, so that whatever a run must know of the past
is at the end, and a run costs the same however long the file has grown.
"""

import errno
import json
import os
import stat
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from app.weather.errors import StoreError
from app.weather.files import locked, sync_folder
from app.weather.observation import Observation, format_time, parse_time
from app.weather.row import Row, parse_row
from app.weather.tail import blocks_from_end
from app.weather.torn import set_aside_torn_lines

LOCK_SECONDS: Final = 30.0
CLOCK_SLACK: Final = timedelta(hours=1)
"""How far clocks may have been wrong when rows were fetched."""
MOST_TIMES: Final = 20
"""Times of observation that are looked for as text; with more of them, reading every row is quicker."""
LOOK_BACK_BYTES: Final = 16 * 1024 * 1024
"""How far back a place's last row is looked for: half a year of two places, a day and a half of five hundred. A gap in
which nothing was written adds nothing to it, however long it was."""


@dataclass(frozen=True, slots=True)
class Appended:
    """What became of the observations of one `append`."""

    written: list[Observation]
    duplicates: int
    torn: list[str]
    """A sentence for each torn line that was found at the end of the file."""


@dataclass(slots=True)
class Kept:
    """What the end of the file has of one place."""

    times: set[datetime] = field(default_factory=set)
    """The times of observation, of any provider."""
    own: datetime | None = None
    """The latest observation of the provider in question."""

    @property
    def since(self) -> datetime:
        """From when on something may be missing: that provider's last observation, or anybody's when it has none."""
        return self.own or max(self.times)

    def add(self, row: Row, provider: str) -> None:
        """Take note of a row."""
        observed_at = parse_time(row["observed_at"])
        self.times.add(observed_at)
        if row["provider"] == provider:
            self.own = max(observed_at, self.own or observed_at)


class Store:
    """The weather file at `path`; it is made, with its folder, by the first row."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, observations: Sequence[Observation]) -> Appended:
        """Write those observations that are not kept yet, in the order given, and wait until they are on the disk.

        Whole or not at all: raises StoreError, with nothing added, when the file cannot be written.
        """
        if not observations:
            return Appended([], 0, [])
        with self._for_writing() as descriptor:
            torn = set_aside_torn_lines(descriptor, self.path)
            new = _not_kept(descriptor, observations)
            if new:
                _write(descriptor, b"".join(_line(observation) for observation in new))
        return Appended(new, len(observations) - len(new), torn)

    def kept(self, names: Collection[str], provider: str) -> dict[str, Kept]:
        """For each place by name, its last observation of `provider` and what was kept since then.

        Places without a row are left out. Raises StoreError when the file cannot be read.
        """
        kept = {_name_in_row(name): Kept() for name in names}
        searched = 0
        try:
            with self._for_reading() as descriptor:
                for block in blocks_from_end(descriptor):
                    for row in _rows(_lines_with(block, kept)):
                        if of_place := kept.get(_name_in_row(row["place"])):
                            of_place.add(row, provider)
                    searched += len(block)
                    if searched > LOOK_BACK_BYTES or all(of_place.own for of_place in kept.values()):
                        break
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise StoreError(f"The weather file {self.path} cannot be read: {error.strerror}.") from None
        return {name: kept[_name_in_row(name)] for name in names if kept[_name_in_row(name)].times}

    @contextmanager
    def _for_writing(self) -> Iterator[int]:
        path = self.path.resolve()
        try:
            if path.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            with locked(path.with_name(f"{path.name}.lock"), LOCK_SECONDS):
                is_new = not path.exists()
                descriptor = _open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT)
                try:
                    yield descriptor
                    if is_new:
                        sync_folder(path.parent)
                finally:
                    os.close(descriptor)
        except OSError as error:
            raise StoreError(f"The weather file {self.path} cannot be written: {error.strerror or error}.") from None

    @contextmanager
    def _for_reading(self) -> Iterator[int]:
        descriptor = _open(self.path, os.O_RDONLY)
        try:
            yield descriptor
        finally:
            os.close(descriptor)


def _open(path: Path, flags: int) -> int:
    """Open a regular file; anything else (a folder, a device, a pipe that would block) is an OSError."""
    descriptor = os.open(path, flags | os.O_CLOEXEC | os.O_NONBLOCK, 0o644)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(0, "it is no regular file")
    return descriptor


def _line(observation: Observation) -> bytes:
    return json.dumps(observation.to_row(), ensure_ascii=False, allow_nan=False).encode() + b"\n"


def _write(descriptor: int, lines: bytes) -> None:
    """Append `lines` and wait for the disk; when that ends early, for whatever reason, the file is as it was."""
    size = os.fstat(descriptor).st_size
    try:
        rest = memoryview(lines)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    except BaseException:
        os.ftruncate(descriptor, size)
        raise


def _not_kept(descriptor: int, observations: Sequence[Observation]) -> list[Observation]:
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
            identities.update((row["provider"], row["place"], row["observed_at"]) for row in _rows(block.split(b"\n")))
        first = _rows([block.partition(b"\n")[0]])
        if first and first[0]["fetched_at"] < oldest:
            break
    return identities


def _rows(lines: Iterable[bytes]) -> list[Row]:
    """The rows in `lines`; what is none is for readers to report."""
    rows = []
    for line in lines:
        with suppress(ValueError):
            rows.append(parse_row(line))
    return rows


def _lines_with(block: bytes, texts: Collection[bytes]) -> Iterator[bytes]:
    """The lines of `block` that hold one of `texts`."""
    if any(text in block for text in texts):
        yield from (line for line in block.split(b"\n") if any(text in line for text in texts))


def _name_in_row(name: str) -> bytes:
    """A place's name as it stands in its rows: a quick way to tell the lines that can be one of them."""
    return json.dumps(name, ensure_ascii=False).encode()
