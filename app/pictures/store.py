"""Where pictures are kept: a folder for each, named by us, with what was sent until its thumbnails are made."""

import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from app.pictures import image
from app.pictures.errors import NoPicture, PictureTooLarge
from app.weather.files import replacing

SIZES: Final = (64, 256, 1024)
"""Pixels of the longer side."""
LARGEST: Final = 10_000_000
"""Bytes of a file."""
ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
BLOCK: Final = 64 * 1024


class Pictures:
    """The pictures below a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, picture_id: str, source: IO[bytes]) -> None:
        """Keep what was sent, whole or not at all, under an id of ours.

        Raises NoPicture, PictureTooLarge, OSError when it cannot be written.
        """
        image.check(source)
        source.seek(0)
        path = self._of(picture_id) / "sent"
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with replacing(path) as new, new.open("xb") as target:
                _copy(source, target)
        except BaseException:
            self.drop(picture_id)
            raise

    def make_thumbnails(self, picture_id: str) -> Iterator[int]:
        """Make each thumbnail and give its size; at the end the file that was sent goes, with what a camera noted.

        What a run that was killed has left undone, the next one does. Raises NoPicture when it is damaged or there is
        none, OSError when a thumbnail cannot be written; the picture is gone then.
        """
        sent = self._of(picture_id) / "sent"
        for size in SIZES:
            if not (path := self.thumbnail(picture_id, size)).exists():
                try:
                    small = image.thumbnail(sent, size)
                    with replacing(path) as new:
                        new.write_bytes(small)
                except FileNotFoundError:
                    raise NoPicture("There is no such picture any more.") from None
                except Exception:
                    self.drop(picture_id)
                    raise
            yield size
        sent.unlink(missing_ok=True)

    def thumbnail(self, picture_id: str, size: int) -> Path:
        """Where a thumbnail is when it is made."""
        return self._of(picture_id) / f"{size}.webp"

    def drop(self, picture_id: str) -> None:
        """Remove a picture with all that was made of it."""
        shutil.rmtree(self._of(picture_id), ignore_errors=True)

    def drop_older_than(self, seconds: float) -> int:
        """Remove the pictures whose folder has not changed for so long; returns how many."""
        before = time.time() - seconds
        kept = [path for path in self._folder.glob("*/") if ID.fullmatch(path.name)]
        old = [path for path in kept if path.stat().st_mtime < before]
        for path in old:
            self.drop(path.name)
        return len(old)

    def _of(self, picture_id: str) -> Path:
        if not ID.fullmatch(picture_id):
            raise NoPicture("There is no such picture.")
        return self._folder / picture_id


def _copy(source: IO[bytes], target: IO[bytes]) -> None:
    size = 0
    while block := source.read(BLOCK):
        size += len(block)
        if size > LARGEST:
            raise PictureTooLarge(f"The file is too large; {LARGEST:,} bytes are the limit.")
        target.write(block)
