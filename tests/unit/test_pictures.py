"""Pictures: what is taken, what is refused before it is unfolded, and what thumbnails keep of them."""

import struct
import zlib
from io import BytesIO
from pathlib import Path

import pytest
from celery import uuid
from PIL import Image

from app.pictures.errors import NoPicture, PictureError, PictureTooLarge
from app.pictures.image import MOST_SCANS
from app.pictures.scans import count_scans
from app.pictures.store import LARGEST, SIZES, Pictures

WHERE = b"55.7558 37.6173"


def picture(kind: str = "JPEG", size: tuple[int, int] = (300, 200), mode: str = "RGB") -> bytes:
    """A picture whose upper half is red, and whose notes say that it lies on its side and where it was taken."""
    image = Image.new(mode, size, "blue")
    image.paste("red", (0, 0, size[0], size[1] // 2))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter clockwise
    exif[0x010E] = WHERE.decode()
    output = BytesIO()
    image.save(output, kind, exif=exif, icc_profile=WHERE)
    return output.getvalue()


def bomb(width: int, height: int) -> bytes:
    """The beginning of a PNG of so many pixels, and no pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def progressive(scans: int) -> bytes:
    """A JPEG that has its last scan so many times."""
    output = BytesIO()
    Image.effect_noise((300, 200), 50).save(output, "JPEG", progressive=True, quality=90)
    data, end = output.getvalue(), b"\xff\xd9"
    last = data[data.rindex(b"\xff\xda") : data.rindex(end)]
    return data.removesuffix(end) + last * (scans - count_scans(data)) + end


def with_exif(exif: bytes) -> bytes:
    """A JPEG with notes that no camera would write."""
    output = BytesIO()
    Image.new("RGB", (300, 200), "green").save(output, "JPEG", exif=b"Exif\0\0" + exif)
    return output.getvalue()


TURNED = b"\x12\x01\x03\0\x01\0\0\0\x06\0\0\0"
TWO_NOTES = b"II*\0\x08\0\0\0\x02\0" + TURNED
DAMAGED_EXIF = {
    "nonsense": b"nonsense",
    "breaks off": TWO_NOTES + b"\x0f",
    "a number out of range": TWO_NOTES + b"\x17\x01\x08\0\x02\0\0\0\xff\xff\xff\xff\0\0\0\0",
    "a number where a text is wanted": TWO_NOTES + b"\x0f\x01\x0b\0\x01\0\0\0abcd\0\0\0\0",
    "a text where a number is wanted": TWO_NOTES + b"\x1a\x01\x02\0\x03\0\0\0abc\0\0\0\0\0",
}


def gif() -> bytes:
    output = BytesIO()
    Image.new("RGB", (5, 5)).save(output, "GIF")
    return output.getvalue()


@pytest.mark.parametrize(
    ("kind", "mode"), [("JPEG", "RGB"), ("JPEG", "CMYK"), ("JPEG", "L"), ("PNG", "RGBA"), ("PNG", "P"), ("WEBP", "RGB")]
)
def test_thumbnails_are_upright_and_say_nothing_else(tmp_path: Path, kind: str, mode: str) -> None:
    """The picture is turned first, and what the camera noted is in no file that is left."""
    data = picture(kind, (300, 200), "RGB" if mode == "P" else mode)
    assert WHERE in data
    pictures, picture_id = Pictures(tmp_path), uuid()
    pictures.keep(picture_id, BytesIO(data))
    assert list(pictures.make_thumbnails(picture_id)) == list(SIZES)
    for size in SIZES:
        with Image.open(pictures.thumbnail(picture_id, size)) as small:
            assert (small.format, max(small.size), small.size[0] < small.size[1]) == ("WEBP", min(size, 300), True)
            assert dict(small.getexif()) == {}
            right = small.convert("RGB").getpixel((small.width - 2, small.height // 2))
            if mode == "RGB":
                assert isinstance(right, tuple)
                assert right[0] > 200 > 60 > right[2]  # what was above is at the right
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert sorted(path.name for path in left) == sorted(f"{size}.webp" for size in SIZES)
    assert not any(WHERE in path.read_bytes() for path in left)


@pytest.mark.parametrize(
    ("data", "error", "sentence"),
    [
        (b"", NoPicture, "is no picture in one of the formats"),
        (b"<svg onload='alert(1)'/>", NoPicture, "is no picture in one of the formats"),
        (gif(), NoPicture, "is no picture in one of the formats"),
        (bomb(100_000, 100_000), PictureTooLarge, "100,000 x 100,000 pixels"),
        (picture() + bytes(LARGEST), PictureTooLarge, "The file is too large"),
    ],
    ids=["nothing", "text", "another format", "bomb", "too large"],
)
def test_what_is_no_picture_leaves_nothing(
    tmp_path: Path, data: bytes, error: type[PictureError], sentence: str
) -> None:
    """It is refused by what is in it, and no part of it is kept."""
    with pytest.raises(error, match=sentence):
        Pictures(tmp_path).keep(uuid(), BytesIO(data))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize("exif", DAMAGED_EXIF.values(), ids=DAMAGED_EXIF)
def test_damaged_notes_do_not_matter(tmp_path: Path, exif: bytes) -> None:
    """The picture is one without them, and what was sent is kept no longer."""
    pictures, picture_id = Pictures(tmp_path), uuid()
    pictures.keep(picture_id, BytesIO(with_exif(exif)))
    assert list(pictures.make_thumbnails(picture_id)) == list(SIZES)
    assert not list(tmp_path.rglob("sent"))


def test_what_was_sent_goes_whatever_fails(tmp_path: Path) -> None:
    """An error of the machine ends the task, too, and nobody would look at the file again."""
    pictures, picture_id = Pictures(tmp_path), uuid()
    pictures.keep(picture_id, BytesIO(picture()))
    sent = tmp_path / picture_id / "sent"
    sent.unlink()
    sent.mkdir()
    with pytest.raises(IsADirectoryError):
        list(pictures.make_thumbnails(picture_id))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("mode", ["I;16", "P", "1", "LA"])
def test_grey_and_palettes_keep_their_shades(tmp_path: Path, mode: str) -> None:
    """Sixteen bits are scaled, not cut off, and what lies between two pixels is made of both."""
    grey = Image.linear_gradient("L")
    image = grey.convert("I").point(lambda value: value * 257).convert("I;16") if mode == "I;16" else grey.convert(mode)
    output = BytesIO()
    image.save(output, "PNG")
    small = BytesIO(thumbnail_of(tmp_path, output.getvalue()))
    with Image.open(small) as seen:
        middle = [seen.convert("L").getpixel((32, height)) for height in (8, 24, 40, 56)]
    assert middle == pytest.approx([34, 98, 162, 226], abs=24)


def thumbnail_of(folder: Path, content: bytes) -> bytes:
    pictures, picture_id = Pictures(folder), uuid()
    pictures.keep(picture_id, BytesIO(content))
    list(pictures.make_thumbnails(picture_id))
    return pictures.thumbnail(picture_id, 64).read_bytes()


def test_a_progressive_jpeg_of_too_many_scans_is_refused(tmp_path: Path) -> None:
    """Each takes the time of a whole picture; a limit's worth is taken, one more is not."""
    pictures = Pictures(tmp_path)
    pictures.keep(uuid(), BytesIO(progressive(MOST_SCANS)))
    with pytest.raises(PictureTooLarge, match="too many scans"):
        pictures.keep(uuid(), BytesIO(progressive(MOST_SCANS + 1)))


def test_only_the_scans_of_the_picture_count() -> None:
    """Not those of the small picture in its notes, nor what follows it, as the film of a telephone does."""
    begun = b"\xff\xda" * 500
    assert count_scans(with_exif(begun) + begun) == 1
    assert count_scans(begun) == count_scans(b"") == 0
    assert count_scans(b"\xff\xd8\xff\xda\0") == 1


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_damaged_picture_is_told_and_not_kept(tmp_path: Path, kind: str) -> None:
    """Its beginning is right, and the rest is missing."""
    data = picture(kind, (600, 600))
    pictures, picture_id = Pictures(tmp_path), uuid()

    def keep_and_make() -> None:
        pictures.keep(picture_id, BytesIO(data[: len(data) * 2 // 3]))  # a WebP is looked through here already
        list(pictures.make_thumbnails(picture_id))

    with pytest.raises(NoPicture, match="is damaged"):
        keep_and_make()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_run_left_undone_is_done_by_the_next(tmp_path: Path) -> None:
    """And a run after the last one finds its work done."""
    pictures, picture_id = Pictures(tmp_path), uuid()
    pictures.keep(picture_id, BytesIO(picture()))
    assert next(pictures.make_thumbnails(picture_id)) == 64
    for _ in range(2):
        assert list(pictures.make_thumbnails(picture_id)) == list(SIZES)


@pytest.mark.parametrize("picture_id", ["", "..", "../../etc", "/etc", "a" * 36, "x" * 300])
def test_no_name_leads_out_of_the_folder(tmp_path: Path, picture_id: str) -> None:
    """Only ids of ours name a picture."""
    with pytest.raises(NoPicture, match="no such picture"):
        Pictures(tmp_path).thumbnail(picture_id, 64)


def test_old_pictures_go(tmp_path: Path) -> None:
    """And nothing else that lies there."""
    pictures, picture_id = Pictures(tmp_path), uuid()
    pictures.keep(picture_id, BytesIO(picture()))
    (tmp_path / "other").mkdir()
    assert pictures.drop_older_than(60) == 0
    assert pictures.drop_older_than(-1) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["other"]
