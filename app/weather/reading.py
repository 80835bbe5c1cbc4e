"""The whole weather file, from its beginning: every row, and what is none with its line number."""

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from app.weather.errors import StoreError
from app.weather.files import opened
from app.weather.row import TIME, Row, parse_row
from app.weather.tail import LONGEST_LINE

BLOCK: Final = 1024 * 1024
CUT: Final = 100
"""Bytes kept of a line that is too long to be a row: too few to be one."""
MOST_EXAMPLES: Final = 20


@dataclass(slots=True)
class Malformed:
    """The lines that are no rows; readers go on without them."""

    count: int = 0
    examples: list[tuple[int, str]] = field(default_factory=list)
    """The numbers of the first ones, from 1, and what is wrong with each."""

    def add(self, number: int, reason: str) -> None:
        """Take note of a line."""
        self.count += 1
        if len(self.examples) < MOST_EXAMPLES:
            self.examples.append((number, reason))


Sample = tuple[str, str, str, str, str, str, str]
"""Place, time of observation, provider, temperature in °C, wind in m/s, precipitation in mm and whether backfilled, the
last four as JSON has them: what the report and the plot need of a row, before any work is put into it."""

Progress = Callable[[int], None]
"""Is told the bytes that were read since it was told last."""


def read_rows(path: Path, malformed: Malformed) -> Iterator[Row]:
    """Every row of the file, in its order; raises StoreError when it cannot be read."""
    number = 0
    for block in _blocks(path):
        for line in block.split(b"\n")[:-1]:
            number += 1
            try:
                if line:
                    yield parse_row(line)
            except ValueError as error:
                malformed.add(number, str(error))


def read_samples(path: Path, malformed: Malformed, progress: Progress = lambda count: None) -> Iterator[list[Sample]]:
    """Samples of every row, some thousand at a time and in the order of the file; raises as `read_rows` does."""
    number = 0
    for block in _blocks(path):
        count = block.count(b"\n")
        samples = _as_written(block)
        yield samples if len(samples) == count else list(_one_by_one(block, number, malformed))
        number += count
        progress(len(block))


def numbers(column: Iterable[str]) -> list[float]:
    """The values of a sample's column that are known."""
    return [float(text) for text in column if text != "null"]


def _blocks(path: Path) -> Iterator[bytes]:
    """The file in blocks of whole lines; what follows the last line end counts as a line."""
    try:
        with opened(path, os.O_RDONLY) as descriptor, open(descriptor, "rb", closefd=False) as file:
            while block := file.read(BLOCK):
                block += file.readline(LONGEST_LINE)
                yield block if block.endswith(b"\n") else _without_long_line(block, file)
    except FileNotFoundError:
        raise StoreError(f"There is no weather file {path} yet; `python -m app.weather collect` begins it.") from None
    except OSError as error:
        raise StoreError(f"The weather file {path} cannot be read: {error.strerror}.") from None


def _without_long_line(block: bytes, file: IO[bytes]) -> bytes:
    """`block` with the beginning only of its last line, if that is too long to be a row; `file` is read to its end."""
    lines, line_end, last = block.rpartition(b"\n")
    while (more := file.readline(LONGEST_LINE)) and not more.endswith(b"\n"):
        pass
    return lines + line_end + (last[:CUT] if len(last) > LONGEST_LINE else last) + b"\n"


def _as_written(block: bytes) -> list[Sample]:
    """The sample of each line that is exactly as `Store.append` writes it."""
    try:
        return _LINE.findall(block.decode())
    except UnicodeDecodeError:
        return []


def _one_by_one(block: bytes, number: int, malformed: Malformed) -> Iterator[Sample]:
    """The same for every row, however it is written; what is none is noted with its number."""
    for offset, line in enumerate(block.split(b"\n")[:-1], start=1):
        try:
            if found := _as_written(line + b"\n"):
                yield found[0]
            elif line:
                row = parse_row(line)
                yield (
                    row["place"],
                    row["observed_at"],
                    row["provider"],
                    json.dumps(row["temperature_c"]),
                    json.dumps(row["wind_speed_ms"]),
                    json.dumps(row["precipitation_mm"]),
                    json.dumps(row["backfilled"]),
                )
        except ValueError as error:
            malformed.add(number + offset, str(error))


_NUMBER = r"-?+\d{1,9}+(?:\.\d{1,9}+)?+"
_VALUE = rf"(?:{_NUMBER}|null)"
# Reading a year's file is mostly decoding JSON; this is much quicker. Any other line goes to `parse_row`.
_LINE = re.compile(
    rf'^{{"schema": 1, "place": "([^"\\\x00-\x1f]++)", "latitude": {_NUMBER}, "longitude": {_NUMBER}, '
    rf'"observed_at": "({TIME})", '
    r'"fetched_at": "[\d:TZ-]++", "provider": "([a-z-]++)", "kind": "[a-z]++", '
    rf'"temperature_c": ({_VALUE}), "humidity_percent": {_VALUE}, "pressure_hpa": {_VALUE}, '
    rf'"wind_speed_ms": ({_VALUE}), "wind_direction_deg": {_VALUE}, "precipitation_mm": ({_VALUE}), '
    r'"weather_code": (?:\d\d?+|null), "backfilled": (true|false)}\n',
    re.MULTILINE | re.ASCII,
)
