"""The report: what it counts, and that the PDF has it."""

import json
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.reporting.contents import Chapter, read_contents
from app.reporting.document import build_report
from app.reporting.errors import NoRows, ReportError
from app.reporting.figures import MOST_GAPS, figures, gap_lines
from app.reporting.order import Order
from app.reporting.period import Period
from tests.services.celery import PROJECT
from tests.services.weather_rows import row, write_weather

NOW = datetime(2026, 11, 22, 10, 7, tzinfo=UTC)
RUN_MINUTES = (1, 21, 41)
WEEK = Period.last_days(7, NOW)


def chapter(path: Path, period: Period = WEEK) -> Chapter:
    (only,) = read_contents(path, ["Moscow"], period, NOW, RUN_MINUTES).chapters
    return only


def without(path: Path, *times: str) -> Path:
    """The file without the rows at these times, given as text from their beginning on."""
    rows = path.read_text().splitlines()
    kept = [line for line in rows if not json.loads(line)["observed_at"].startswith(times)]
    path.write_text("\n".join(kept) + "\n")
    return path


def test_a_period_that_is_all_there_is_complete(tmp_path: Path) -> None:
    """Of seven days, all but the slot whose run is still to come."""
    found = chapter(write_weather(tmp_path / "file", ["Moscow"], days=9, end=NOW))
    assert (len(found.completeness.due), found.completeness.missing) == (7 * 72 - 1, 0)
    assert found.completeness.percent == 100.0
    assert found.figures.rows == 7 * 72


def test_gaps_count_from_the_first_row_of_the_place(tmp_path: Path) -> None:
    """Nothing is missing before a place was watched; what is missing later is, at the end of the period too."""
    path = write_weather(tmp_path / "file", ["Moscow"], days=2, end=NOW)
    found = chapter(without(path, "2026-11-21T05", "2026-11-22T09", "2026-11-22T10")).completeness
    assert [(f"{gap.first:%d %H:%M}", f"{gap.last:%d %H:%M}", gap.slots) for gap in found.gaps] == [
        ("21 05:00", "21 05:30", 3),
        ("22 09:00", "22 09:30", 3),
    ]
    assert (len(found.due), found.missing, found.percent) == (144, 6, 95.83)


def test_a_gap_at_the_beginning_of_the_period_is_one(tmp_path: Path) -> None:
    """Where the place was watched before."""
    path = without(write_weather(tmp_path / "file", ["Moscow"], days=9, end=NOW), "2026-11-15", "2026-11-16")
    (gap,) = chapter(path).completeness.gaps
    assert (f"{gap.first:%d %H:%M}", f"{gap.last:%d %H:%M}") == ("15 10:15", "16 23:30")


def test_where_met_norway_gave_every_row_full_hours_are_expected(tmp_path: Path) -> None:
    """It has one row an hour."""
    hours = (NOW.replace(minute=0) - timedelta(hours=number) for number in range(24))
    rows = [row("Moscow", hour) | {"provider": "met-norway"} for hour in hours]
    path = tmp_path / "file"
    path.write_text("".join(json.dumps(line) + "\n" for line in rows))
    assert chapter(path).completeness.missing == 0


def test_the_figures_name_extremes_and_their_times(tmp_path: Path) -> None:
    """As they stand in the file, within the period only."""
    path = write_weather(tmp_path / "file", ["Moscow"], days=8, end=NOW)
    extremes = {"2026-11-14T12:00:00Z": 60.0, "2026-11-20T12:00:00Z": 41.5, "2026-11-21T00:00:00Z": -33.0}
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    changed = [line | {"temperature_c": extremes.get(line["observed_at"], line["temperature_c"])} for line in lines]
    path.write_text("".join(json.dumps(line) + "\n" for line in changed))
    told = dict(figures(chapter(path)))
    assert told["Highest temperature"] == "41.5 °C, 2026-11-20 12:00 UTC"
    assert told["Lowest temperature"] == "-33.0 °C, 2026-11-21 00:00 UTC"
    assert told["Rows"] == "504 (open-meteo 504), 0 backfilled"


def test_only_the_longest_gaps_are_listed_in_the_order_of_time(tmp_path: Path) -> None:
    """A file full of holes makes no report full of them."""
    path = write_weather(tmp_path / "file", ["Moscow"], days=8, end=NOW)
    found = chapter(without(path, *(f"2026-11-{day}T{hour:02}:15" for day in (18, 19) for hour in range(24))))
    lines = list(gap_lines(found.completeness.gaps))
    assert (len(found.completeness.gaps), len(lines)) == (48, MOST_GAPS)
    assert lines == sorted(lines)


@pytest.mark.parametrize("places", [["Moscow"], ["Санкт-Петербург"], ["<b>Αθήνα & Łódź</b>", "Moscow"], ["x" * 300]])
def test_the_pdf_has_its_fonts_inside(tmp_path: Path, places: list[str]) -> None:
    """Whatever the places are called; every page is A4 and there is no font that a reader would have to have."""
    path = write_weather(tmp_path / "file", places, days=1, end=NOW)
    pdf = build_report(path, places, Period.last_days(1, NOW), NOW, RUN_MINUTES)
    assert pdf.startswith(b"%PDF-")
    assert set(re.findall(rb"/FontName /\w+\+([\w-]+)", pdf)) == {b"DejaVuSans", b"DejaVuSans-Bold"}
    assert pdf.count(b"/FontFile2") == pdf.count(b"/FontName")
    assert all(b"DejaVuSans" in name for name in re.findall(rb"/BaseFont /(\S+)", pdf))
    boxes = re.findall(rb"/MediaBox \[ ([\d. ]+) \]", pdf)
    assert len(boxes) >= len(places)
    assert set(boxes) == {b"0 0 595.2756 841.8898"}


def test_no_rows_are_told_with_the_period(tmp_path: Path) -> None:
    """For a place that has none, for a time that has none, and where there is no file yet."""
    path = write_weather(tmp_path / "file", ["Moscow"], days=1, end=NOW)
    for places, period in ((["Oslo"], WEEK), (["Moscow"], Period(NOW - timedelta(days=9), NOW - timedelta(days=8)))):
        with pytest.raises(NoRows, match=f"There are no rows of {places[0]} from {period}"):
            build_report(path, places, period, NOW, RUN_MINUTES)
    with pytest.raises(NoRows, match="There is no weather file"):
        build_report(tmp_path / "none", ["Moscow"], WEEK, NOW, RUN_MINUTES)
    with pytest.raises(ReportError, match="cannot be read"):
        build_report(tmp_path, ["Moscow"], WEEK, NOW, RUN_MINUTES)


@pytest.mark.parametrize(
    "data",
    [None, [], "Moscow", {}, {"place": "Moscow"}, {"place": 7, "days": 7}]
    + [{"place": "Moscow", "days": days} for days in (0, 367, -1, "7", 1.5, True, None)],
    ids=str,
)
def test_what_is_no_order_is_refused(data: object) -> None:
    """With the form that it should have."""
    with pytest.raises(ValueError, match="an order has the form"):
        Order.read(data)
    assert Order.read({"place": "Moscow", "days": 366}) == Order("Moscow", 366)


@pytest.mark.parametrize("days", [0, 367])
def test_a_report_covers_one_day_to_a_year(days: int) -> None:
    """A sentence names both."""
    with pytest.raises(ReportError, match="1 to 366 days"):
        Period.last_days(days, NOW)


HANGING = """
import asyncio, time
from app.reporting.errors import ReportError
from app.reporting.processes import Processes

async def hang_and_go_on():
    processes = Processes(1, limit=2.0)
    try:
        await processes.run(time.sleep, 60)
    except ReportError as error:
        print(error)
    await processes.warm_up()
    print(await processes.run(abs, -5))
    await processes.close()

if __name__ == "__main__":
    asyncio.run(hang_and_go_on())
"""


def test_a_drawing_that_hangs_is_ended() -> None:
    """Its process keeps no place: the next drawing gets one, in a pool that has only one."""
    ended = subprocess.run(
        [sys.executable, "-c", HANGING], cwd=PROJECT, capture_output=True, text=True, timeout=30, check=False
    )
    assert ended.stdout.splitlines() == ["The report was not drawn within 2 s; ask for fewer days.", "5"], ended.stderr


@pytest.mark.parametrize(
    ("data", "request_id"),
    [
        ({}, ""),
        ({"request_id": "abc-1"}, "abc-1"),
        ({"request_id": "a\nb"}, ""),
        ({"request_id": "x" * 200}, "x" * 100),
    ],
    ids=["none", "one", "two lines", "too long"],
)
def test_an_order_says_to_which_request_it_belongs(data: dict[str, str], request_id: str) -> None:
    """As far as that can be logged as it is."""
    assert Order.read({"place": "Moscow", "days": 1} | data).request_id == request_id
