"""`python -m app.weather`: the weather now, one run, and what the weather file holds."""

from app.program import refuse, run_program  # first, so that Ctrl-C is quiet while the rest is loaded

# isort: split
import argparse
import json
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from rich.console import Console

from app.settings import Settings, SettingsError, get_settings
from app.weather.collect import collect, fetch_current
from app.weather.configured import configured_places, configured_providers, configured_store
from app.weather.errors import WeatherError
from app.weather.export import FORMATS, export_csv, export_file
from app.weather.observation import Place
from app.weather.reading import Malformed, Progress

PIPE_WIDTH: Final = 160
MOST_DAYS: Final = 100_000


def main() -> int:
    """Run the chosen command. Returns 0 when it did all of it, 1 with a sentence if not; exits with 2 for wrong use."""
    options = _parser().parse_args()
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    try:
        code: int = options.command(options, get_settings())
    except (WeatherError, SettingsError) as error:
        return refuse(str(error))
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m app.weather",
        description="The weather of the places in WEATHER_PLACES, now and in the weather file.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command: Callable[[argparse.Namespace, Settings], int], summary: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
        added.set_defaults(command=command, subparser=added)
        return added

    now = add("now", _now, "show the weather now; nothing is written")
    now.add_argument("place", nargs="*", help="a configured place, or Name=latitude,longitude; all configured ones")
    run = add("collect", _collect, "make one run: append the weather now, and what was missed, to the weather file")
    report = add("report", _report, "tell what the weather file holds: rows, gaps, completeness, extremes")
    for subparser in (now, run, report):
        subparser.add_argument("--json", action="store_true", help="print one JSON document")
    plot = add("plot", _plot, "draw temperature, precipitation and wind over time, with the gaps, as a PNG file")
    plot.add_argument(
        "--output", type=Path, metavar="FILE", help="the picture; weather.png beside the weather file by default"
    )
    plot.add_argument("--days", type=_days, metavar="N", help="only the last N days; all by default")
    plot.add_argument("--place", action="append", default=[], metavar="NAME", help="only this place (repeatable)")
    export = add("export", _export, "write the weather file in another format")
    export.add_argument("--format", choices=FORMATS, required=True)
    export.add_argument("--output", type=Path, metavar="FILE", help="a file; CSV goes to standard output without it")
    return parser


def _days(text: str) -> timedelta:
    try:
        days = float(text)
    except ValueError:
        days = 0
    if not 0 < days <= MOST_DAYS:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of days above 0 and up to {MOST_DAYS:,}")
    return timedelta(days=days)


def _now(options: argparse.Namespace, settings: Settings) -> int:
    from app.weather.screen import weather_table

    try:
        places = list(dict.fromkeys(_place(text, settings) for text in options.place)) or configured_places(settings)
    except ValueError as error:
        options.subparser.error(str(error))
    now = datetime.now(UTC)
    fetched = fetch_current(places, configured_providers(settings), now)
    order = [place.name for place in places]
    observations = sorted(fetched.observations, key=lambda seen: order.index(seen.place.name))
    if options.json:
        _print_json([seen.to_row() for seen in observations])
    else:
        console = _console()
        console.print(weather_table(observations, now, console.width))
    return _tell(fetched.refused, fetched.without)


def _place(text: str, settings: Settings) -> Place:
    """A configured place by name, whatever the case of its letters, or one given as Name=latitude,longitude."""
    name, given, coordinates = text.partition("=")
    if given:
        try:
            latitude, longitude = (float(number) for number in coordinates.split(","))
        except ValueError:
            raise ValueError(f"{text!r} is no place; write Name=latitude,longitude in degrees") from None
        return Place(name.strip(), latitude, longitude)
    known = configured_places(settings)
    found = next((place for place in known if place.name.casefold() == text.casefold()), None)
    if found is None:
        names = ", ".join(place.name for place in known)
        raise ValueError(f"{text!r} is no configured place ({names}); write Name=latitude,longitude for another one")
    return found


def _collect(options: argparse.Namespace, settings: Settings) -> int:
    from app.weather.screen import run_summary
    from beat_schedule import COLLECT_MINUTES

    places = configured_places(settings)
    collected = collect(
        places, configured_providers(settings), configured_store(settings), datetime.now(UTC), COLLECT_MINUTES
    )
    if options.json:
        _print_json(collected.as_dict())
    else:
        print(*run_summary(collected, places, str(settings.weather_file)), sep="\n")
    return _tell([*collected.refused, *collected.torn, *collected.beyond], collected.without)


def _report(options: argparse.Namespace, settings: Settings) -> int:
    from app.weather.report import make_report
    from app.weather.schedule import slot_minutes
    from app.weather.screen import report_view
    from beat_schedule import COLLECT_MINUTES

    with _progress(settings.weather_file, "Reading") as progress:
        report = make_report(settings.weather_file, datetime.now(UTC), COLLECT_MINUTES, progress)
    if options.json:
        _print_json(report.as_dict())
    else:
        _console().print(report_view(report, 24 * len(slot_minutes(COLLECT_MINUTES))))
    if report.malformed.count and not report.places:
        return refuse(f"{settings.weather_file} has lines, but none of them is a row.")
    return 0


def _plot(options: argparse.Namespace, settings: Settings) -> int:
    from app.weather.plot import save_plot
    from beat_schedule import COLLECT_MINUTES

    malformed = Malformed()
    target = options.output or settings.weather_file.with_name("weather.png")
    since = datetime.now(UTC) - options.days if options.days else None
    with _progress(settings.weather_file, "Reading") as progress:
        drawn = save_plot(
            settings.weather_file,
            target,
            malformed,
            COLLECT_MINUTES,
            places=options.place,
            since=since,
            progress=progress,
        )
    print(f"Drew {', '.join(drawn)} into {target}.")
    missing = [name for name in options.place if name not in drawn]
    code = _tell_malformed(malformed)
    return refuse(f"There are no rows of {', '.join(missing)} in this time.") if missing else code


def _export(options: argparse.Namespace, settings: Settings) -> int:
    malformed = Malformed()
    if options.output is not None:
        count = export_file(settings.weather_file, options.output, options.format, malformed)
        print(f"Wrote {count:,} rows to {options.output}.")
    elif options.format == "csv":
        export_csv(settings.weather_file, sys.stdout, malformed)
    else:
        options.subparser.error("Parquet is no text; name a file with --output")
    return _tell_malformed(malformed)


def _tell_malformed(malformed: Malformed) -> int:
    """Say how many lines were left out; what was made without them is complete, and still it is a failure."""
    if not malformed.count:
        return 0
    number, reason = malformed.examples[0]
    return refuse(f"{malformed.count:,} lines are no rows and were left out; the first is line {number:,}, {reason}.")


def _console() -> Console:
    """Standard output; where that is no terminal, lines may be as long as they like to be."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else PIPE_WIDTH)


def _tell(sentences: Sequence[str], without: Sequence[str]) -> int:
    """Say what went wrong on the way; it is a failure when a place is left without its weather."""
    for sentence in sentences:
        print(sentence, file=sys.stderr)
    return refuse(f"No service gave the weather of {', '.join(without)}.") if without else 0


def _print_json(document: object) -> None:
    print(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False))


@contextmanager
def _progress(path: Path, label: str) -> Iterator[Progress]:
    """A progress bar on standard error, where that is a terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda count: None
        return
    from rich.progress import Progress as ProgressBar

    with ProgressBar(console=console, transient=True) as bar:
        task = bar.add_task(label, total=path.stat().st_size if path.exists() else 0)
        yield lambda count: bar.advance(task, count)


if __name__ == "__main__":
    run_program(main)
