"""A file read from its end, as far back as is wanted and no further."""

import os
from collections.abc import Iterator
from typing import Final

FIRST_BLOCK: Final = 4 * 1024
LARGEST_BLOCK: Final = 1024 * 1024
LONGEST_LINE: Final = 1024 * 1024
"""Bytes; a longer one is no line of ours and is left out."""


def blocks_from_end(descriptor: int) -> Iterator[bytes]:
    """The complete lines of a file in blocks, without the last line end of each: the last block first.

    What follows the last line end is no line yet. Blocks begin small and double, so that the usual case, where the
    first one is enough, costs little.
    """
    position, size = os.fstat(descriptor).st_size, FIRST_BLOCK
    rest, line_end_seen = b"", False
    while position > 0:
        start = max(0, position - size)
        block = os.pread(descriptor, position - start, start) + rest
        position, size = start, min(size * 2, LARGEST_BLOCK)
        if not line_end_seen:
            block, line_end, _ = block.rpartition(b"\n")
            line_end_seen = bool(line_end)
        if start > 0:
            rest, line_end, block = block.partition(b"\n")
            rest = rest if len(rest) <= LONGEST_LINE else b""
        if block:
            yield block
