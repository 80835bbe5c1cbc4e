"""The report, on small files whose every number can be counted by hand."""

import json
import os
import tracemalloc
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.weather.errors import StoreError
from app.weather.gaps import Calendar
from app.weather.observation import Observation, Place
from app.weather.reading import Malformed, read_rows, read_samples
from app.weather.report import Report, make_report

OSLO = Place("Oslo", 59.91, 10.75)
START = datetime(2026, 11, 22, tzinfo=UTC)


def row(minutes: float, place: Place = OSLO, **changes: object) -> dict[str, object]:
    time = START + timedelta(minutes=minutes)
    values = {"provider": "open-meteo", "temperature_c": 1.5} | changes
    return Observation(place, time, time + timedelta(minutes=6), **values).to_row()  # type: ignore[arg-type]


def write(path: Path, rows: Iterable[Mapping[str, object] | str]) -> Path:
    lines = [line if isinstance(line, str) else json.dumps(line, ensure_ascii=False) for line in rows]
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def report(path: Path, rows: Iterable[Mapping[str, object] | str]) -> Report:
    return make_report(write(path / "weather.jsonl", rows), START, (1, 21, 41))


def test_rows_and_extremes_are_counted_by_place(tmp_path: Path) -> None:
    """Rows, providers, backfilled rows, extremes with their times, the mean and the sum are those of each place."""
    lviv = Place('Львів "B"', 60.4, 5.3)
    made = report(
        tmp_path,
        [
            row(0, temperature_c=-2.5, wind_speed_ms=3.0, precipitation_mm=0.2),
            row(0, lviv, temperature_c=20),
            row(15, temperature_c=7.5, wind_speed_ms=9.5, precipitation_mm=0.3, backfilled=True),
            row(30, temperature_c=None, wind_speed_ms=None, humidity_percent=50, provider="met-norway"),
        ],
    ).as_dict()
    assert (made["rows"], made["malformed"]) == (4, 0)
    oslo, other = made["places"]
    assert (oslo["rows"], oslo["backfilled"], oslo["repeated"]) == (3, 1, 0)
    assert oslo["providers"] == {"open-meteo": 2, "met-norway": 1}
    assert (oslo["first"], oslo["last"]) == ("2026-11-22T00:00:00Z", "2026-11-22T00:30:00Z")
    assert oslo["temperature_c"] == {
        "min": -2.5,
        "min_at": "2026-11-22T00:00:00Z",
        "mean": 2.5,
        "max": 7.5,
        "max_at": "2026-11-22T00:15:00Z",
    }
    assert oslo["wind_speed_ms"] == {"max": 9.5, "max_at": "2026-11-22T00:15:00Z"}
    assert oslo["precipitation_mm"] == {"sum_of_rows": 0.5}
    assert (other["place"], other["temperature_c"]["mean"], other["wind_speed_ms"]["max"]) == (lviv.name, 20, None)


def test_gaps_are_slots_of_the_schedule_without_a_row(tmp_path: Path) -> None:
    """Slots are 00, 15 and 30 of each hour; a gap reaches over midnight, and the longest comes first."""
    times = [0, 15, 30, 60, 75, 90, 120, 24 * 60 + 30, 24 * 60 + 45, 24 * 60 + 90]
    oslo = report(tmp_path, [row(minutes) for minutes in times]).as_dict()["places"][0]
    assert (oslo["expected"], oslo["missing"], oslo["gaps"]) == (72 + 6, 67 + 2, 2)
    assert oslo["longest_gaps"] == [
        {"first": "2026-11-22T02:15:00Z", "last": "2026-11-23T00:15:00Z", "slots": 67},
        {"first": "2026-11-23T01:00:00Z", "last": "2026-11-23T01:15:00Z", "slots": 2},
    ]
    assert oslo["completeness_percent"] == 11.53


def test_rows_in_any_order_and_of_any_provider_fill_the_schedule(tmp_path: Path) -> None:
    """The order of the rows does not matter, and a slot is there whoever gave it."""
    rows = [row(30), row(0, provider="met-norway"), row(15), row(60, provider="met-norway"), row(60)]
    oslo = report(tmp_path, rows).as_dict()["places"][0]
    assert (oslo["missing"], oslo["gaps"], oslo["completeness_percent"], oslo["repeated"]) == (0, 0, 100.0, 0)


def test_doubles_are_noticed(tmp_path: Path) -> None:
    """A second row of one provider in one quarter of an hour is counted."""
    assert report(tmp_path, [row(0), row(15), row(0), row(5)]).as_dict()["places"][0]["repeated"] == 2


def test_what_is_no_row_is_counted_and_named(tmp_path: Path) -> None:
    """Lines that are no rows are left out, and told with their number and reason; empty ones are nothing."""
    rows: list[Mapping[str, object] | str] = [row(0), "garbage", "", row(15) | {"schema": 2}, row(15), '{"schema": 1']
    made = report(tmp_path, rows).as_dict()
    assert (made["rows"], made["malformed"]) == (2, 3)
    assert made["malformed_lines"] == [
        {"line": 2, "reason": "is no JSON"},
        {"line": 4, "reason": "has the schema 2, and this version knows 1"},
        {"line": 6, "reason": "is no JSON"},
    ]


def test_rows_written_another_way_are_rows(tmp_path: Path) -> None:
    """A row in other spacing, order or number format, or on a leap day, counts as any other."""
    leap = Observation(OSLO, datetime(2028, 2, 29, tzinfo=UTC), START, "open-meteo", temperature_c=3).to_row()
    other = json.dumps(dict(reversed(list(row(15, temperature_c=1e-7).items()))), separators=(",", ":"))
    path = write(tmp_path / "weather.jsonl", [row(0), other, leap])
    samples = [sample for block in read_samples(path, Malformed()) for sample in block]
    assert [sample[1] for sample in samples] == ["2026-11-22T00:00:00Z", "2026-11-22T00:15:00Z", "2028-02-29T00:00:00Z"]
    assert float(samples[1][3]) == 1e-7


@pytest.mark.parametrize(
    "bad", [b"\xff\xfe", b'{"schema": 1, "place": "\xff"', b"\0" * 100], ids=["bytes", "in a name", "zeros"]
)
def test_bytes_that_are_no_text_cost_one_line(tmp_path: Path, bad: bytes) -> None:
    """A line of bytes that are no text is left out alone, wherever in a block it stands."""
    good = json.dumps(row(0)).encode()
    path = tmp_path / "weather.jsonl"
    path.write_bytes(good + b"\n" + bad + b"\n" + good)
    malformed = Malformed()
    assert sum(len(block) for block in read_samples(path, malformed)) == 2
    assert malformed.examples == [(2, "is no JSON")]
    assert len(list(read_rows(path, Malformed()))) == 2


@pytest.mark.parametrize("ended", [True, False], ids=["ended", "not ended"])
def test_a_line_without_an_end_costs_little_memory(tmp_path: Path, ended: bool) -> None:
    """A line of 64 MB is one line that is no row, is never held whole, and the rows around it are read."""
    good = json.dumps(row(0)).encode() + b"\n"
    path = tmp_path / "weather.jsonl"
    with path.open("wb") as file:
        file.write(good)
        file.truncate(64 * 1024 * 1024)
        file.seek(0, os.SEEK_END)
        file.write(b"\n" + good if ended else b"")
    for read in (read_rows, read_samples):
        tracemalloc.start()
        malformed = Malformed()
        kept = sum(len(block) if isinstance(block, list) else 1 for block in read(path, malformed))
        greatest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert (kept, malformed.examples) == (1 + ended, [(2, "is no JSON")])
        assert greatest < 16 * 1024 * 1024


def test_the_quick_way_and_the_thorough_way_agree(tmp_path: Path) -> None:
    """For a file of several blocks both readers give the same rows and the same complaints."""
    rows: list[Mapping[str, object] | str] = [row(15 * number, temperature_c=number % 40) for number in range(9_000)]
    rows[7_000] = "garbage"
    path = write(tmp_path / "weather.jsonl", rows)
    quick, thorough = Malformed(), Malformed()
    samples = [sample for block in read_samples(path, quick) for sample in block]
    assert [(kept["observed_at"], str(kept["temperature_c"])) for kept in read_rows(path, thorough)] == [
        (sample[1], sample[3]) for sample in samples
    ]
    assert quick.examples == thorough.examples == [(7_001, "is no JSON")]


def test_a_file_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    """Without a weather file the error says how to begin one."""
    with pytest.raises(StoreError, match=r"There is no weather file .* begins it\."):
        make_report(tmp_path / "none.jsonl", START, (1, 21, 41))


def test_an_empty_file_is_an_empty_report(tmp_path: Path) -> None:
    """A file without rows has no places."""
    assert report(tmp_path, []).as_dict()["places"] == []


def test_a_calendar_of_one_quarter_is_complete() -> None:
    """One observation has no gap, whatever its quarter, even one that no run is due in."""
    for time in ("2026-11-22T00:00:00Z", "2026-11-22T23:45:00Z"):
        calendar = Calendar()
        calendar.add([time])
        assert calendar.gaps((1, 21, 41)) == []
        assert calendar.expected((1, 21, 41)) == (1 if time[11:13] == "00" else 0)
