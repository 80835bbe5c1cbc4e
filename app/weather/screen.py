"""The weather, a run and a report as they look in a terminal."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from app.weather.collect import Collected
from app.weather.credit import credit
from app.weather.observation import Observation, Place, parse_time
from app.weather.precipitation import ROWS_NOTE
from app.weather.report import PlaceReport, Report
from app.weather.sky import compass, sky

PRECIPITATION = (
    "Rain: of the last 15 minutes (Open-Meteo), expected in the hour from then on (MET Norway); snow as water."
)
UNKNOWN = "-"
WIDE = 100
"""Columns from which on there is room to spare."""


def weather_table(observations: Sequence[Observation], now: datetime, width: int) -> RenderableType:
    """The weather of some places, one a line, units in the head, for a terminal of so many columns."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2 if width >= WIDE else 1, 0, 0))
    table.add_column("Place", style="bold cyan")
    for heading in ("Temp.\n°C", "Hum.\n%", "Press.\nhPa", "Wind\nm/s", "Rain\nmm"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("Sky")
    table.add_column("Observed\nUTC", no_wrap=True)
    table.add_column("Provider", no_wrap=True)
    for seen in observations:
        table.add_row(
            Text(seen.place.name),
            _number(seen.temperature_c, "+.1f"),
            _number(seen.humidity_percent, ".0f"),
            _number(seen.pressure_hpa, ".0f"),
            f"{compass(seen.wind_direction_deg)} {_number(seen.wind_speed_ms, '.1f')}".strip(),
            _number(seen.precipitation_mm, ".1f"),
            sky(seen.weather_code) or UNKNOWN,
            f"{seen.observed_at:%H:%M} ({age(now - seen.observed_at)})",
            seen.provider,
        )
    note = f"\n{PRECIPITATION}\n{credit(seen.provider for seen in observations)}"
    return Group(table, Text(note, style="dim"))


def _number(value: float | None, form: str) -> str:
    return UNKNOWN if value is None else format(value, form)


def age(span: timedelta) -> str:
    """How long ago something was, in one unit."""
    minutes = max(0, int(span.total_seconds() // 60))
    for size, unit in ((2 * 1440, "days"), (120, "h"), (0, "min")):
        if minutes >= size:
            return f"{minutes // {'days': 1440, 'h': 60, 'min': 1}[unit]} {unit}"
    return ""


def run_summary(collected: Collected, places: Sequence[Place], file: str) -> Iterator[str]:
    """What a run did, in a few plain sentences."""
    backfilled = f", {collected.backfilled:,} of them backfilled" if collected.backfilled else ""
    kept = f" {collected.duplicates:,} had been kept before." if collected.duplicates else ""
    yield f"Wrote {collected.written:,} {'row' if collected.written == 1 else 'rows'}{backfilled}, to {file}.{kept}"
    for place in places:
        if provider := collected.providers.get(place.name):
            yield f"{place.name}: {provider}"
    yield credit(collected.providers.values())


def report_view(report: Report, slots_a_day: int) -> RenderableType:
    """The report, place after place."""
    parts: list[RenderableType] = []
    for place in report.places:
        lines = Table.grid(padding=(0, 2))
        for name, value in _lines(place, report.made_at, slots_a_day):
            lines.add_row(Text(name, style="dim"), Text(value))
        parts += [Text(place.place, style="bold cyan"), Padding(lines, (0, 0, 1, 2))]
    return Group(*parts, *_file_lines(report))


def _lines(place: PlaceReport, now: datetime, slots_a_day: int) -> Iterator[tuple[str, str]]:
    providers = ", ".join(f"{name} {count:,}" for name, count in place.rows_of.most_common())
    yield "rows", f"{place.rows:,} ({providers}), {place.backfilled:,} backfilled"
    yield "from, to", f"{when(place.first)}, {when(place.last)} UTC ({age(now - parse_time(place.last))} ago)"
    yield (
        "complete",
        f"{place.completeness_percent:.2f} % of {place.expected:,} slots ({slots_a_day} a day), "
        f"{place.missing:,} missing in {place.gap_count:,} {'gap' if place.gap_count == 1 else 'gaps'}",
    )
    for number, gap in enumerate(place.longest_gaps):
        slots = f"{gap.slots:,} {'slot' if gap.slots == 1 else 'slots'}"
        yield ("" if number else "longest gaps"), f"{gap.first:%Y-%m-%d %H:%M} to {gap.last:%Y-%m-%d %H:%M}, {slots}"
    if place.repeated:
        yield "repeated", f"{place.repeated:,} rows in a quarter of an hour that has one of the same provider"
    if place.temperatures:
        mean = place.temperature_sum / place.temperatures
        yield (
            "temperature",
            f"{place.coldest[0]:.1f} °C ({when(place.coldest[1])}) to {place.warmest[0]:.1f} °C "
            f"({when(place.warmest[1])}), mean {mean:.1f} °C",
        )
    if place.strongest_wind[1]:
        yield "wind", f"up to {place.strongest_wind[0]:.1f} m/s ({when(place.strongest_wind[1])})"
    yield "precipitation", f"{place.precipitation_mm:,.1f} mm, the sum of the rows (see below)"


def when(moment: str) -> str:
    """A time of the file, shorter."""
    return f"{moment[:10]} {moment[11:16]}"


def _file_lines(report: Report) -> Iterator[RenderableType]:
    if report.malformed.count:
        yield Text(f"{report.malformed.count:,} lines of the file are no rows and were left out:", style="bold red")
        for number, reason in report.malformed.examples:
            yield Text(f"  line {number:,} {reason}")
        if report.malformed.count > len(report.malformed.examples):
            yield Text("  …")
    providers = {provider for place in report.places for provider in place.rows_of}
    yield Text(
        f"{ROWS_NOTE} It has one row an hour at most.\n{report.path}\n{credit(providers)}",
        style="dim",
    )
