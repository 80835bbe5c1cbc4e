"""The weather over time as a picture: a panel for each place, with its gaps."""

import warnings
from collections.abc import Collection, Iterable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from app.weather.credit import credit
from app.weather.errors import StoreError
from app.weather.files import replacing
from app.weather.reading import Malformed, Progress, read_samples
from app.weather.series import Series, gaps, line, read_series, scale, sums

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

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
WIND: Final = "#4f6d5c"
GREY: Final = "#7a7f88"


def save_plot(
    source: Path,
    target: Path,
    *,
    places: Collection[str] = (),
    since: datetime | None = None,
    progress: Progress = lambda count: None,
) -> list[str]:
    """Draw the weather of `places` (all when empty) from `since` on into the PNG file `target`.

    Returns the names of the places that are in it. Raises StoreError, with nothing written, when there is nothing to
    draw or a file cannot be read or written.
    """
    series = read_series(read_samples(source, Malformed(), progress), places, since)
    if not series:
        raise StoreError(f"{source} has no rows of these places and this time to draw.")
    if len(series) > MOST_PLACES:
        raise StoreError(f"{len(series)} places are too many for one picture; choose up to {MOST_PLACES} with --place.")
    figure = draw(series)
    try:
        with replacing(target) as new, warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing from font")  # a name in a script that no font has
            figure.savefig(new, format="png")
    except OSError as error:
        raise StoreError(f"{target} cannot be written: {error.strerror or error}.") from None
    return list(series)


def draw(series: dict[str, Series]) -> "Figure":
    """Two axes for each place, over the same time: temperature with precipitation, and below them the wind."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, HEIGHT * len(series) + 0.6), dpi=110, layout="constrained")
    axes = figure.subplots(2 * len(series), 1, sharex=True, squeeze=False, height_ratios=[3, 1.2] * len(series))[:, 0]
    begin, end = min(one.times[0] for one in series.values()), max(one.times[-1] for one in series.values())
    for number, (place, one) in enumerate(series.items()):
        upper, lower = axes[2 * number : 2 * number + 2]
        _draw_gaps((upper, lower), one, end - begin)
        _draw_precipitation(upper, one, end - begin)
        _draw_temperature(upper, one, end - begin)
        _draw_wind(lower, one, end - begin)
        upper.set_title(place, loc="left", fontweight="bold", fontsize=13, parse_math=False)
        _explain(upper)
        _explain(lower)
        _label_times(lower)
    margin = max((end - begin) * 0.01, 1800 if end > begin else 7200)
    axes[0].set_xlim((begin - margin) / DAY, (end + margin) / DAY)
    figure.supxlabel(
        f"Times are UTC. {credit(name for one in series.values() for name in one.providers)}.", fontsize=8, color=GREY
    )
    return figure


def _draw_temperature(axes: "Axes", series: Series, span: float) -> None:
    point, _, name = scale(span)
    drawn = line(series.times, series.temperatures, point)
    label = f"temperature, mean of {name}" if point else "temperature"
    marker = "o" if len(drawn.times) < FEW_POINTS else ""
    axes.plot(drawn.times / DAY, drawn.mean, color=WARM, linewidth=1.6, marker=marker, markersize=3, label=label)
    if point:
        band = f"least to greatest of {name}"
        axes.fill_between(drawn.times / DAY, drawn.least, drawn.greatest, color=WARM, alpha=0.22, lw=0, label=band)
    low, high = axes.get_ylim()
    slack = max(0.0, LEAST_DEGREES - (high - low)) / 2
    axes.set_ylim(low - slack, high + slack)
    if low < 0 < high:
        axes.axhline(0, color=GREY, linewidth=0.8, linestyle=":")
    _label_values(axes, "temperature, °C", WARM)


def _draw_precipitation(axes: "Axes", series: Series, span: float) -> None:
    """Bars on an axis of their own at the right, behind the temperature."""
    _, bar, name = scale(span)
    begins, amounts = sums(series.times, series.precipitation, bar)
    right = axes.twinx()
    axes.set_zorder(right.get_zorder() + 1)
    axes.patch.set_visible(False)
    right.bar(begins / DAY, amounts, width=bar / DAY * 0.9, align="edge", color=WET, alpha=0.55)
    right.set_ylim(0, max(1.0, max(amounts, default=0.0) * 1.6))
    _label_values(right, f"precipitation,\nmm in {name}", WET)
    axes.plot([], [], color=WET, alpha=0.55, linewidth=6, label="precipitation")  # for the legend


def _draw_wind(axes: "Axes", series: Series, span: float) -> None:
    point, _, name = scale(span)
    drawn = line(series.times, series.winds, point)
    label = f"wind, mean of {name}" if point else "wind"
    marker = "o" if len(drawn.times) < FEW_POINTS else ""
    axes.plot(drawn.times / DAY, drawn.mean, color=WIND, linewidth=1.1, marker=marker, markersize=2, label=label)
    axes.fill_between(drawn.times / DAY, 0 if not point else drawn.least, drawn.greatest, color=WIND, alpha=0.2, lw=0)
    axes.set_ylim(0, max(LEAST_WIND, max(drawn.greatest, default=0.0) * 1.1))
    _label_values(axes, "wind, m/s", WIND)


def _draw_gaps(panels: "Iterable[Axes]", series: Series, span: float) -> None:
    for axes in panels:
        for number, (begin, end) in enumerate(gaps(series.times, span * NARROWEST_GAP)):
            label = "" if number else "no rows"
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
