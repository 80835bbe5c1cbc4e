"""The weather over time as a picture: a panel for each place, with its gaps."""

import warnings
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from app.weather.credit import credit
from app.weather.errors import StoreError
from app.weather.files import replacing
from app.weather.parsing.met_norway import NAME as MET_NORWAY
from app.weather.precipitation import ROWS_NOTE
from app.weather.reading import Malformed, Progress, read_samples
from app.weather.series import Line, Series, alone, gaps, line, read_series, scale, sums
from app.weather.target import check_target

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from app.weather.series import Gaps

MOST_PLACES: Final = 24
WIDTH: Final = 12.0
HEIGHT: Final = 3.6
"""Inches of a panel."""
DAY: Final = 86_400
"""Seconds; matplotlib counts days since 1970."""
LEAST_DEGREES: Final = 4.0
LEAST_WIND: Final = 6.0
"""What an axis spans at least, in °C and m/s: calm weather looks calm."""
FEW_POINTS: Final = 80
"""Up to here each point is marked."""
NARROWEST_GAP: Final = 1 / 400
"""Of the width: what is narrower could not be seen."""
WARM: Final = "#c8553d"
WET: Final = "#3a7ca5"
EXPECTED: Final = "#8e6fad"
"""Precipitation that is a forecast."""
WIND: Final = "#4f6d5c"
GREY: Final = "#7a7f88"


def save_plot(
    source: Path,
    target: Path,
    malformed: Malformed,
    run_minutes: Sequence[int],
    *,
    places: Collection[str] = (),
    since: datetime | None = None,
    progress: Progress = lambda count: None,
) -> list[str]:
    """Draw the weather of `places` (all when empty) from `since` on into the PNG file `target`.

    Gaps are slots of runs at `run_minutes` without a row. Returns the names of the places that are in it. Raises
    StoreError, with nothing written, when there is nothing to draw or a file cannot be read or written.
    """
    check_target(source, target)
    series = read_series(read_samples(source, malformed, progress), places, since)
    if not series:
        raise StoreError(f"{source} has no rows of these places and this time to draw.")
    if len(series) > MOST_PLACES:
        raise StoreError(f"{len(series)} places are too many for one picture; choose up to {MOST_PLACES} with --place.")
    figure = draw(series, run_minutes)
    try:
        with replacing(target) as new, warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing from font")  # a name in a script that no font has
            figure.savefig(new, format="png")
    except OSError as error:
        raise StoreError(f"{target} cannot be written: {error.strerror or error}.") from None
    return list(series)


def draw(series: dict[str, Series], run_minutes: Sequence[int]) -> "Figure":
    """Two axes for each place, over the same time: temperature with precipitation, and below them the wind."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, HEIGHT * len(series) + 0.6), dpi=110, layout="constrained")
    axes = figure.subplots(2 * len(series), 1, sharex=True, squeeze=False, height_ratios=[3, 1.2] * len(series))[:, 0]
    begin, end = min(one.times[0] for one in series.values()), max(one.times[-1] for one in series.values())
    for number, (place, one) in enumerate(series.items()):
        upper, lower = axes[2 * number : 2 * number + 2]
        draw_place(upper, lower, one, gaps(one, run_minutes), end - begin)
        upper.set_title(place, loc="left", fontweight="bold", fontsize=13, parse_math=False)
    margin = max((end - begin) * 0.01, 1800 if end > begin else 7200)
    axes[0].set_xlim((begin - margin) / DAY, (end + margin) / DAY)
    named = credit(name for one in series.values() for name in one.precipitation)
    figure.supxlabel(f"{ROWS_NOTE}\nBars are sums of rows. Times are UTC. {named}.", fontsize=8, color=GREY)
    return figure


def draw_place(upper: "Axes", lower: "Axes", series: Series, missing: "Gaps", span: float) -> None:
    """Temperature and precipitation above, wind below, as fits a time of `span` seconds."""
    _draw_gaps((upper, lower), missing, span)
    _draw_precipitation(upper, series, span)
    _draw_temperature(upper, series, missing, span)
    _draw_wind(lower, series, missing, span)
    _explain(upper)
    _explain(lower)
    _label_times(lower)


def _draw_temperature(axes: "Axes", series: Series, missing: "Gaps", span: float) -> None:
    point, _, name = scale(span)
    drawn = line(series.times, series.temperatures, point, missing)
    _draw_line(axes, drawn, f"temperature, mean of {name}" if point else "temperature", WARM)
    if point:
        band = f"least to greatest of {name}"
        axes.fill_between(drawn.times / DAY, drawn.least, drawn.greatest, color=WARM, alpha=0.22, lw=0, label=band)
    low, high = axes.get_ylim()
    slack = max(0.0, LEAST_DEGREES - (high - low)) / 2
    axes.set_ylim(low - slack, high + slack)
    if low < 0 < high:
        axes.axhline(0, color=GREY, linewidth=0.8, linestyle=":")
    _label_values(axes, "temperature, °C", WARM)


def _draw_line(axes: "Axes", drawn: Line, label: str, color: str) -> None:
    """The line, with a mark on each point where they are few, and on those that stand alone where they are many."""
    marker = "o" if len(drawn.times) < FEW_POINTS else ""
    axes.plot(drawn.times / DAY, drawn.mean, color=color, linewidth=1.4, marker=marker, markersize=3, label=label)
    single = alone(drawn.mean)
    axes.plot(drawn.times[single] / DAY, drawn.mean[single], color=color, linewidth=0, marker="o", markersize=2)


def _draw_precipitation(axes: "Axes", series: Series, span: float) -> None:
    """Bars on an axis of their own at the right, behind the temperature; those of several providers side by side."""
    _, bar, name = scale(span)
    right = axes.twinx()
    axes.set_zorder(right.get_zorder() + 1)
    axes.patch.set_visible(False)
    width, greatest = bar / len(series.precipitation), 0.0
    for number, (provider, (times, values)) in enumerate(series.precipitation.items()):
        begins, amounts = sums(times, values, bar)
        color = EXPECTED if provider == MET_NORWAY else WET
        begins = begins + number * width
        right.bar(begins / DAY, amounts, width=width / DAY * 0.9, align="edge", color=color, alpha=0.55)
        greatest = max([greatest, *amounts])
        axes.plot([], [], color=color, alpha=0.55, linewidth=6, label=f"precipitation, {provider}")  # for the legend
    right.set_ylim(0, max(1.0, greatest * 1.6))
    _label_values(right, f"precipitation,\nmm in rows of {name}", WET)


def _draw_wind(axes: "Axes", series: Series, missing: "Gaps", span: float) -> None:
    point, _, name = scale(span)
    drawn = line(series.times, series.winds, point, missing)
    _draw_line(axes, drawn, f"wind, mean of {name}" if point else "wind", WIND)
    axes.fill_between(drawn.times / DAY, 0 if not point else drawn.least, drawn.greatest, color=WIND, alpha=0.2, lw=0)
    axes.set_ylim(0, max([LEAST_WIND, *(value * 1.1 for value in drawn.greatest if value == value)]))  # NaN is unequal
    _label_values(axes, "wind, m/s", WIND)


def _draw_gaps(panels: "Iterable[Axes]", missing: "Gaps", span: float) -> None:
    wide = [(begin, end) for begin, end in missing if end - begin > span * NARROWEST_GAP]
    for axes in panels:
        for number, (begin, end) in enumerate(wide):
            label = "" if number else "rows missing"
            axes.axvspan(begin / DAY, end / DAY, color=GREY, alpha=0.18, lw=0, hatch="///", label=label)


def _label_values(axes: "Axes", label: str, color: str) -> None:
    axes.set_ylabel(label, color=color, fontsize=9)
    axes.tick_params(axis="y", colors=color, labelsize=8)
    for side in ("top", "left", "right"):
        axes.spines[side].set_visible(False)


def _explain(axes: "Axes") -> None:
    axes.grid(alpha=0.25)
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=4, frameon=False, fontsize=8, borderaxespad=0.2)


def _label_times(axes: "Axes") -> None:
    """Ticks that say as much as they must, from minutes to years."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(minticks=4, maxticks=14)  # type: ignore[no-untyped-call] # matplotlib's own gap
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call] # as above
    axes.tick_params(axis="x", labelbottom=True, labelsize=8)
