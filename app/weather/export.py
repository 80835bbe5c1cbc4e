"""The weather file as CSV or Parquet, for programs that know neither this one nor JSON lines."""

import csv
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import IO, Any, Final

from app.weather.errors import StoreError
from app.weather.files import replacing
from app.weather.observation import parse_time
from app.weather.reading import Malformed, read_rows
from app.weather.row import Row
from app.weather.target import check_target

FORMATS: Final = ("csv", "parquet")
COLUMNS: Final = tuple(Row.__annotations__)
BATCH_ROWS: Final = 20_000


def export_csv(source: Path, target: IO[str], malformed: Malformed) -> int:
    """Write every row as CSV, with a header; null is empty. Returns how many; raises StoreError."""
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow(COLUMNS)
    count = 0
    for row in read_rows(source, malformed):
        writer.writerow([_cell(row[name]) for name in COLUMNS])  # type: ignore[literal-required]
        count += 1
    return count


def _cell(value: object) -> object:
    return str(value).lower() if isinstance(value, bool) else value


def export_file(source: Path, target: Path, form: str, malformed: Malformed) -> int:
    """Write every row to `target`, which appears when it is complete. Returns how many; raises StoreError."""
    check_target(source, target)
    try:
        with replacing(target) as new:
            if form == "parquet":
                return _export_parquet(source, new, malformed)
            with new.open("w", encoding="utf-8", newline="") as file:
                return export_csv(source, file, malformed)
    except OSError as error:
        raise StoreError(f"{target} cannot be written: {error.strerror or error}.") from None


def _export_parquet(source: Path, target: Path, malformed: Malformed) -> int:
    import pyarrow  # type: ignore[import-untyped] # it has no types
    from pyarrow.parquet import ParquetWriter  # type: ignore[import-untyped] # it has no types

    schema = pyarrow.schema(_arrow_types())
    count = 0
    with ParquetWriter(target, schema, compression="zstd") as writer:
        for rows in _batches(read_rows(source, malformed)):
            writer.write_batch(pyarrow.RecordBatch.from_pylist([_typed(row) for row in rows], schema=schema))
            count += len(rows)
    return count


def _arrow_types() -> dict[str, Any]:
    """Columns as analysts expect them: times with their zone, numbers as numbers."""
    import pyarrow

    types: dict[type, Any] = {str: pyarrow.string(), float: pyarrow.float64(), bool: pyarrow.bool_()}
    columns = {name: types.get(Row.__annotations__[name], pyarrow.float64()) for name in COLUMNS}
    time = pyarrow.timestamp("s", "UTC")
    whole = pyarrow.int16()
    return columns | {"schema": whole, "weather_code": whole, "observed_at": time, "fetched_at": time}


def _typed(row: Row) -> dict[str, Any]:
    return {**row, "observed_at": parse_time(row["observed_at"]), "fetched_at": parse_time(row["fetched_at"])}


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    iterator = iter(rows)
    while batch := list(islice(iterator, BATCH_ROWS)):
        yield batch
