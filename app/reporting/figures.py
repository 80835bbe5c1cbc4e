"""The figures of a place in words, as they stand in the report."""

from collections.abc import Iterator, Sequence
from typing import Final

from app.reporting.contents import Chapter
from app.weather.gaps import Gap

MOST_GAPS: Final = 20


def figures(chapter: Chapter) -> Iterator[tuple[str, str]]:
    """The rows of the table of figures: what it is, and its value."""
    seen, complete = chapter.figures, chapter.completeness
    yield "Completeness", f"{complete.percent:.2f} % of {len(complete.due):,} slots, {complete.missing:,} missing"
    providers = ", ".join(f"{name} {count:,}" for name, count in seen.rows_of.most_common())
    yield "Rows", f"{seen.rows:,} ({providers}), {seen.backfilled:,} backfilled"
    yield "First and last row", f"{_when(seen.first)} and {_when(seen.last)}"
    if seen.temperatures:
        yield "Highest temperature", f"{seen.warmest[0]:.1f} °C, {_when(seen.warmest[1])}"
        yield "Lowest temperature", f"{seen.coldest[0]:.1f} °C, {_when(seen.coldest[1])}"
        yield "Mean temperature", f"{seen.temperature_sum / seen.temperatures:.1f} °C, of all rows"
    if seen.strongest_wind[1]:
        yield "Strongest wind", f"{seen.strongest_wind[0]:.1f} m/s, {_when(seen.strongest_wind[1])}"
    yield "Precipitation", f"{seen.precipitation_mm:,.1f} mm, the sum of the rows (see the note)"


def gap_lines(gaps: Sequence[Gap]) -> Iterator[tuple[str, str, str]]:
    """The longest gaps in the order of time: first missing slot, last one, and how many."""
    longest = sorted(gaps, key=lambda gap: -gap.slots)[:MOST_GAPS]
    for gap in sorted(longest, key=lambda gap: gap.first):
        yield f"{gap.first:%Y-%m-%d %H:%M}", f"{gap.last:%Y-%m-%d %H:%M}", f"{gap.slots:,}"


def _when(moment: str) -> str:
    return f"{moment[:10]} {moment[11:16]} UTC"
