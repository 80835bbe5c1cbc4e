"""One line of the weather file, read back: schema 1 as `Observation.to_row` writes it."""

import json
from typing import Final, NoReturn, TypedDict, cast

from app.weather.observation import MEASURED, SCHEMA, parse_time


class Row(TypedDict):
    """A row of the weather file; times are text such as 2026-11-22T03:15:00Z, which sorts as time does."""

    schema: int
    place: str
    latitude: float
    longitude: float
    observed_at: str
    fetched_at: str
    provider: str
    kind: str
    temperature_c: float | None
    humidity_percent: float | None
    pressure_hpa: float | None
    wind_speed_ms: float | None
    wind_direction_deg: float | None
    precipitation_mm: float | None
    weather_code: int | None
    backfilled: bool


MOST: Final = 1e9
"""No value of ours is nearly as great; one that is would not fit into a column of an export."""
_DAY: Final = r"20\d\d-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
TIME: Final = rf"{_DAY}T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\dZ"
"""A regular expression for times; those of the 29th of February are left to `parse_row`."""
_TEXTS: Final = ("place", "observed_at", "fetched_at", "provider", "kind")
_VALUES: Final = frozenset({int, float, type(None)})
_NUMBERS: Final = frozenset({int, float})


def parse_row(line: bytes) -> Row:
    """The row in `line`.

    Raises ValueError, with a phrase that says what is wrong with the line, when it is no row of schema 1.
    """
    try:
        row = _decode(line.decode())
    except (ValueError, RecursionError):
        raise ValueError("is no JSON") from None
    if type(row) is not dict:
        raise ValueError("is no JSON object")
    if row.get("schema") != SCHEMA:
        raise ValueError(f"has the schema {str(row.get('schema'))[:20]}, and this version knows {SCHEMA}")
    _check_fields(row)
    return cast(Row, row)


def _check_fields(row: dict[str, object]) -> None:
    try:
        for name in _TEXTS:
            if type(row[name]) is not str:
                raise ValueError(f"has no text as {name}")
        for name in MEASURED:
            if type(value := row[name]) not in _VALUES or not -MOST < (cast(float, value) or 0) < MOST:
                raise ValueError(f"has no number as {name}")
        if type(row["latitude"]) not in _NUMBERS or type(row["longitude"]) not in _NUMBERS:
            raise ValueError("has no coordinates")
        if type(row["weather_code"]) is float:
            raise ValueError("has no whole number as weather_code")
        if type(row["backfilled"]) is not bool:
            raise ValueError("does not say whether it was backfilled")
        parse_time(cast(str, row["observed_at"]))
        parse_time(cast(str, row["fetched_at"]))
    except KeyError as error:
        raise ValueError(f"lacks {error.args[0]}") from None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


_decode = json.JSONDecoder(parse_constant=_refuse).decode
