"""Reading a file from its end."""

import os
from pathlib import Path

import pytest

from app.weather.tail import blocks_from_end


@pytest.mark.parametrize("length", [1, 60, 4_000, 8_190, 8_191, 8_192, 30_000], ids=lambda length: f"{length} a line")
@pytest.mark.parametrize("torn", [b"", b"torn", b"t" * 9_000], ids=["whole", "torn", "long torn"])
def test_every_line_comes_once_and_in_order(tmp_path: Path, length: int, torn: bytes) -> None:
    """Whatever lies on the border of two blocks comes whole and once, and what has no line end not at all."""
    lines = [f"{number}:".encode().ljust(length + number % 3, b"x") for number in range(50)]
    path = tmp_path / "lines"
    path.write_bytes(b"".join(line + b"\n" for line in lines) + torn)
    descriptor = os.open(path, os.O_RDONLY)
    blocks = list(blocks_from_end(descriptor))
    os.close(descriptor)
    assert b"\n".join(blocks[::-1]).split(b"\n") == lines


@pytest.mark.parametrize("content", [b"", b"no line end", b"x" * 50_000])
def test_a_file_without_a_line_end_has_no_lines(tmp_path: Path, content: bytes) -> None:
    """A file that has no complete line gives nothing."""
    path = tmp_path / "lines"
    path.write_bytes(content)
    descriptor = os.open(path, os.O_RDONLY)
    assert list(blocks_from_end(descriptor)) == []
    os.close(descriptor)
