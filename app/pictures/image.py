"""Looking into a picture before it is unfolded, and making thumbnails of it."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import IO, Final

from PIL import Image, ImageOps, UnidentifiedImageError

from app.pictures.errors import NoPicture, PictureTooLarge
from app.pictures.scans import count_scans

FORMATS: Final = ("JPEG", "PNG", "WEBP")
MOST_PIXELS: Final = 50_000_000
"""About what a camera makes; unfolded, so many need 200 MB."""
MOST_SCANS: Final = 100
"""Of a progressive JPEG; programs that write them make about ten, and each takes the time of a whole picture."""
QUALITY: Final = 82
DAMAGE: Final = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    LookupError,
    ArithmeticError,
    AttributeError,
    TypeError,
    struct.error,
)
"""What Pillow raises where a file does not hold what it promises."""

# Pillow only warns from half its limit on; ours is looked at for every picture, before one pixel is unfolded.
Image.MAX_IMAGE_PIXELS = None


def check(source: IO[bytes]) -> None:
    """Read the beginning of a picture, whatever its name says.

    Raises NoPicture, or PictureTooLarge when it would unfold to too many pixels, or too often.
    """
    with _opened(source):
        source.seek(0)
        if count_scans(source.read()) > MOST_SCANS:
            raise PictureTooLarge(f"The picture is a JPEG of too many scans; {MOST_SCANS} are the limit.")


def thumbnail(source: Path, size: int) -> bytes:
    """The picture, upright, as WebP of at most `size` pixels a side, with nothing in it but the picture.

    Raises NoPicture, PictureTooLarge, OSError when the file cannot be read.
    """
    with source.open("rb") as file, _opened(file) as image:
        # A JPEG is unfolded at an eighth of its size where that is enough.
        image.draft("RGB", (2 * size, 2 * size))
        upright = _of_plain_colours(_upright(image))
        upright.thumbnail((size, size), Image.Resampling.LANCZOS)
        small = upright.convert("RGBA" if upright.has_transparency_data else "RGB")
    output = BytesIO()
    # No notes of the camera, its place on the Earth among them, and no colour profile: Pillow writes none unasked.
    small.save(output, "WEBP", quality=QUALITY)
    return output.getvalue()


def _of_plain_colours(image: Image.Image) -> Image.Image:
    """The picture with eight bits a channel and no palette: others are not shrunk smoothly."""
    if image.mode.startswith("I"):
        return image.point(lambda value: value / 256).convert("L")
    if image.mode in ("P", "1"):
        return image.convert("RGBA" if image.has_transparency_data else "RGB")
    return image


def _upright(image: Image.Image) -> Image.Image:
    # Damaged notes say nothing of how the camera was held, and the picture is one without them.
    with suppress(*DAMAGE):
        return ImageOps.exif_transpose(image)
    return image


@contextmanager
def _opened(source: IO[bytes]) -> Iterator[Image.Image]:
    """The picture, of which only the beginning has been read; what goes wrong while it is used is damage."""
    try:
        with Image.open(source, formats=FORMATS) as image:
            if image.width * image.height > MOST_PIXELS:
                raise PictureTooLarge(
                    f"The picture has {image.width:,} x {image.height:,} pixels; {MOST_PIXELS:,} are the limit."
                )
            yield image
    except UnidentifiedImageError:
        raise NoPicture("The file is no picture in one of the formats JPEG, PNG and WebP.") from None
    except DAMAGE as error:
        raise NoPicture(f"The picture is damaged: {error}.") from None
