"""Looking into a picture before it is unfolded, and making thumbnails of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import IO, Final

from PIL import Image, ImageOps, UnidentifiedImageError

from app.pictures.errors import NoPicture, PictureTooLarge

FORMATS: Final = ("JPEG", "PNG", "WEBP")
MOST_PIXELS: Final = 50_000_000
"""About what a camera makes; unfolded, so many need 200 MB."""
QUALITY: Final = 82

# Pillow only warns from half its limit on; ours is looked at for every picture, before one pixel is unfolded.
Image.MAX_IMAGE_PIXELS = None


def check(source: IO[bytes]) -> None:
    """Read the beginning of a picture, whatever its name says.

    Raises NoPicture, or PictureTooLarge when it would unfold to too many pixels.
    """
    with _opened(source):
        return


def thumbnail(source: Path, size: int) -> bytes:
    """The picture, upright, as WebP of at most `size` pixels a side, with nothing in it but the picture.

    Raises NoPicture, PictureTooLarge, OSError when the file cannot be read.
    """
    with source.open("rb") as file, _opened(file) as image:
        # A JPEG is unfolded at an eighth of its size where that is enough.
        image.draft("RGB", (2 * size, 2 * size))
        upright = ImageOps.exif_transpose(image)
        upright.thumbnail((size, size), Image.Resampling.LANCZOS)
        small = upright.convert("RGBA" if upright.has_transparency_data else "RGB")
    output = BytesIO()
    # No notes of the camera, its place on the Earth among them, and no colour profile: Pillow writes none unasked.
    small.save(output, "WEBP", quality=QUALITY)
    return output.getvalue()


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
    except (OSError, ValueError, SyntaxError, EOFError, IndexError, OverflowError) as error:
        raise NoPicture(f"The picture is damaged: {error}.") from None
