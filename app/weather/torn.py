"""What a power cut or a killed writer left at the end of the weather file."""

import json
import os
from pathlib import Path
from typing import Final

from app.weather.errors import StoreError
from app.weather.files import sync_folder

BLOCK: Final = 4 * 1024
MOST_LINES: Final = 8
"""Lines that one power cut can spoil: those of one write."""


def set_aside_torn_lines(descriptor: int, path: Path) -> list[str]:
    """Make the file at `path`, open as `descriptor` and locked, end with a complete row.

    What is no JSON object at its end is moved, safely on disk first, to a file with .torn after its name; a last row
    that lacks only its line end gets it. Returns a sentence for each; raises StoreError for a file of another kind.
    """
    sentences = []
    for _ in range(MOST_LINES):
        size = os.fstat(descriptor).st_size
        start = _start_of_last_line(descriptor, size)
        fragment = os.pread(descriptor, size - start, start)
        ended = fragment.endswith(b"\n")
        if not fragment or (ended and _is_object(fragment)):
            break
        _check_kind(descriptor, path, size)
        if _is_object(fragment):
            os.write(descriptor, b"\n")
            sentences.append(f"The last line of {path} lacked its end, which was added.")
            break
        _move(descriptor, path, start, fragment if ended else fragment + b"\n")
        sentences.append(f"A torn line of {len(fragment)} bytes at the end of {path} was set aside in {path}.torn.")
    return sentences


def _start_of_last_line(descriptor: int, size: int) -> int:
    """Where the line begins that holds the last byte of the file."""
    end = size - 1
    while end > 0:
        start = max(0, end - BLOCK)
        found = os.pread(descriptor, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _check_kind(descriptor: int, path: Path, size: int) -> None:
    """Raise StoreError when the file does not begin as a weather file does: then its end is not torn but somebody's."""
    head = os.pread(descriptor, BLOCK, 0)
    first, line_end, _ = head.partition(b"\n")
    torn_at_once = not line_end and first[:1] in (b"{", b"\0")
    if not (torn_at_once or _is_object(first) or not first.strip(b"\0")):
        raise StoreError(f"{path} is no weather file (it has {size} bytes of something else); nothing was written.")


def _move(descriptor: int, path: Path, start: int, fragment: bytes) -> None:
    torn = path.with_name(f"{path.name}.torn")
    with torn.open("ab") as file:
        file.write(fragment)
        file.flush()
        os.fsync(file.fileno())
    sync_folder(torn.parent)
    os.ftruncate(descriptor, start)
    os.fsync(descriptor)
