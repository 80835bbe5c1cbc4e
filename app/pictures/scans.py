"""How many scans a JPEG has: a progressive one may repeat the whole picture until it takes minutes to unfold."""

import re
from typing import Final

START: Final = b"\xff\xd8"
_MARKER: Final = re.compile(rb"\xff+([^\x00\x01\xd0-\xd8\xff])")
"""What begins a segment, or ends the picture: not a byte 255 of a scan (a 0 follows it), nor what has no length."""
_SCAN: Final = 0xDA
_END: Final = 0xD9


def count_scans(picture: bytes) -> int:
    """The scans of a JPEG, up to its end or to where it breaks off; of anything else, 0.

    A small picture among the notes of a camera, or what follows the end, is not looked into (ITU-T T.81, B.1.1).
    """
    scans, position = 0, len(START)
    while picture.startswith(START) and (marker := _MARKER.search(picture, position)):
        kind = marker[1][0]
        if kind == _END:
            break
        scans += kind == _SCAN
        length = int.from_bytes(picture[marker.end() : marker.end() + 2], "big")
        position = marker.end() + max(length, 2)
    return scans
