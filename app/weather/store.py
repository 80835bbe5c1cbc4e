"""The weather file: one JSON object per line, only ever appended to, and the only truth there is.

Writers take turns by a lock file beside it. A row whose identity (provider, place, time of observation) is kept already
is not written again.
"""

import errno
import json
import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from app.weather.errors import StoreError
from app.weather.files import locked, opened, sync_folder
from app.weather.kept import Kept, find_kept, not_kept
from app.weather.observation import Observation
from app.weather.torn import set_aside_torn_lines

LOCK_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Appended:
    """What became of the observations of one `append`."""

    written: list[Observation]
    duplicates: int
    torn: list[str]
    """A sentence for each torn line that was found at the end of the file."""


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
            new = not_kept(descriptor, observations)
            if new:
                _write(descriptor, b"".join(_line(observation) for observation in new))
        return Appended(new, len(observations) - len(new), torn)

    def kept(self, names: Collection[str], provider: str, window: datetime) -> dict[str, Kept]:
        """For each place by name, what is kept since `window` began and back to its last row of `provider`.

        Places without a row are left out. Raises StoreError when the file cannot be read.
        """
        try:
            with opened(self.path, os.O_RDONLY) as descriptor:
                return find_kept(descriptor, names, provider, window)
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise StoreError(f"The weather file {self.path} cannot be read: {error.strerror}.") from None

    @contextmanager
    def _for_writing(self) -> Iterator[int]:
        path = self.path.resolve()
        try:
            if path.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            with locked(path.with_name(f"{path.name}.lock"), LOCK_SECONDS):
                is_new = not path.exists()
                with opened(path, os.O_RDWR | os.O_APPEND | os.O_CREAT) as descriptor:
                    yield descriptor
                    if is_new:
                        sync_folder(path.parent)
        except OSError as error:
            raise StoreError(f"The weather file {self.path} cannot be written: {error.strerror or error}.") from None


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
