"""The charts of a report, as PNG pictures of the width of a page."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL.Image import fromarray

from app.reporting.contents import Chapter
from app.reporting.period import Period
from app.weather.plot import DAY, GREY, WARM, WIND, draw_place

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH: Final = 9.0
"""Inches, shrunk to the page by a fifth: the fonts of the pictures are made for a screen."""
WEATHER_HEIGHT: Final = 4.9
DAYS_HEIGHT: Final = 3.2
DOTS_PER_INCH: Final = 150
LEGEND: Final[Mapping[str, Any]] = {
    "loc": "lower left",
    "bbox_to_anchor": (0, 1),
    "ncols": 4,
    "frameon": False,
    "fontsize": 8,
    "borderaxespad": 0.2,
}
MOST_LABELS: Final = 16
FEW_DAYS: Final = 31
"""Up to here the days are shown one by one, and weeks from there on."""


def weather_chart(chapter: Chapter, period: Period) -> bytes:
    """Temperature with precipitation, and wind, over the whole period, with its gaps."""
    figure = _figure(WEATHER_HEIGHT)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1.4])
    begin, end = period.begin.timestamp(), period.end.timestamp()
    step = timedelta(minutes=15)
    gaps = [((gap.first - step).timestamp(), (gap.last + step).timestamp()) for gap in chapter.completeness.gaps]
    draw_place(upper, lower, chapter.series, gaps, end - begin)
    upper.set_xlim(begin / DAY, end / DAY)
    for axes in (upper, lower):
        axes.legend(**LEGEND)
    return _png(figure)


def days_chart(chapter: Chapter, period: Period) -> bytes:
    """For each day in UTC (or week, in a long period): the range of the temperature, and how much was collected."""
    days = 1 if (period.end - period.begin).days <= FEW_DAYS else 7
    spans = _spans(period, days)
    figure = _figure(DAYS_HEIGHT)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[2, 1])
    _draw_ranges(upper, chapter, spans)
    _draw_completeness(lower, chapter, spans)
    lower.set_xlim(-0.6, len(spans) - 0.4)
    lower.set_xticks(*_labels(spans))
    lower.set_xlabel("day (UTC)" if days == 1 else "week that begins on this day (UTC)", fontsize=9)
    return _png(figure)


def _spans(period: Period, days: int) -> list[Period]:
    """The days, or weeks, of the period; the first and the last one may be cut by it."""
    begin = period.begin.replace(hour=0, minute=0)
    edges: list[datetime] = []
    while begin < period.end:
        edges.append(max(begin, period.begin))
        begin += timedelta(days=days)
    return [Period(*pair) for pair in zip(edges, [*edges[1:], period.end], strict=True)]


def _draw_ranges(axes: "Axes", chapter: Chapter, spans: Sequence[Period]) -> None:
    for number, span in enumerate(spans):
        inside = (chapter.series.times >= span.begin.timestamp()) & (chapter.series.times < span.end.timestamp())
        values = chapter.series.temperatures[inside]
        values = values[~np.isnan(values)]
        if len(values):
            label, mean = ("", "") if axes.lines else ("lowest to highest temperature", "mean of the rows")
            axes.vlines(number, values.min(), values.max(), color=WARM, alpha=0.35, linewidth=7, label=label)
            axes.plot(number, values.mean(), color=WARM, marker="o", markersize=4, linewidth=0, label=mean)
    axes.set_ylabel("temperature, °C", fontsize=9)
    if axes.lines:
        axes.legend(**LEGEND)
    _plain(axes)


def _draw_completeness(axes: "Axes", chapter: Chapter, spans: Sequence[Period]) -> None:
    for number, span in enumerate(spans):
        if (part := chapter.completeness.within(span)).due:
            axes.bar(number, part.percent, color=WIND, width=0.6)
    axes.axhline(100, color=GREY, linewidth=0.8, linestyle=":")
    axes.set_ylim(0, 110)
    axes.set_ylabel("collected, %", fontsize=9)
    _plain(axes)


def _labels(spans: Sequence[Period]) -> tuple[list[int], list[str]]:
    """Where the days are named, and how: not more than fit beside one another."""
    shown = range(0, len(spans), -(-len(spans) // MOST_LABELS))
    return list(shown), [f"{spans[number].begin:%d %b}" for number in shown]


def _plain(axes: "Axes") -> None:
    axes.grid(alpha=0.25)
    axes.tick_params(labelsize=8)
    for side in ("top", "left", "right"):
        axes.spines[side].set_visible(False)


def _figure(height: float) -> Figure:
    figure = Figure(figsize=(WIDTH, height), dpi=DOTS_PER_INCH)
    # A layout that is worked out would draw everything twice.
    figure.subplots_adjust(left=0.065, right=0.925, top=1 - 0.3 / height, bottom=0.5 / height, hspace=0.25)
    return figure


def _png(figure: Figure) -> bytes:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]  # matplotlib's own gap
    picture = BytesIO()
    # Packed loosely: the PDF packs it anew, and for transparency it would need a second picture.
    pixels = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]  # as above
    fromarray(pixels[..., :3]).save(picture, "PNG", compress_level=1)
    return picture.getvalue()
