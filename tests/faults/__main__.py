"""`python -m tests.faults`: break the services on purpose, and see what Celery and this project make of it."""

from app.program import run_program  # first, so that Ctrl-C is quiet while the rest is loaded

# isort: split
import argparse
import random
import sys
import tempfile
import traceback
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from tests.faults.catalogue import ROWS
from tests.faults.finding import Finding, Row
from tests.faults.ledger import OURS, STOCK
from tests.faults.report import Played, as_json, as_markdown, read_json, show, versions
from tests.faults.stage import Stage
from tests.services import leftovers
from tests.services.rabbitmq import NOT_INSTALLED, REMEDY, server_script


def main(arguments: Sequence[str] | None = None) -> int:
    """Play the rows; returns 1 when ours has missed a target, 2 when it cannot be played."""
    options = parse(arguments)
    rows = [row for row in ROWS if not options.only or row.name in options.only]
    if options.list:
        for row in rows:
            print(f"{row.name:24} {row.fault}")
        return 0
    if server_script() is None:
        print(f"{NOT_INSTALLED}: {REMEDY}.", file=sys.stderr)
        return 2
    found, findings = play_rows(rows, options)
    kept, kept_versions = read_json(options.keep) if options.keep else ([], found)
    if kept_versions != found:
        print(f"{options.keep} was seen on other versions than these, and is left out; play all rows.", file=sys.stderr)
        kept = []
    by_name = {entry.row.name: entry for entry in kept} | {row.name: Played(row, findings[row.name]) for row in rows}
    played = [by_name[row.name] for row in ROWS if row.name in by_name]
    show(Console(), played)
    if options.json:
        options.json.write_text(as_json(played, found) + "\n")
    if options.write:
        options.write.write_text(as_markdown(played, found))
    return 0 if all(entry.ok for entry in played) else 1


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options; a wrong one ends the program with 2."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    names = [row.name for row in ROWS]
    parser.add_argument(
        "--only", action="append", choices=names, metavar="NAME", help="a row of --list; may be given again"
    )
    parser.add_argument("--list", action="store_true", help="list the rows and end")
    parser.add_argument("--rounds", type=int, default=1, help="how often ours plays each row; stock plays it once")
    parser.add_argument("--seed", type=int, help="play the rows in an order of chance, which this number repeats")
    parser.add_argument(
        "--stock", action=argparse.BooleanOptionalAction, default=True, help="play Celery's defaults, too"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results as JSON")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the results as Markdown: docs/reliability.md")
    parser.add_argument(
        "--keep", type=Path, metavar="FILE", help="take the rows that are not played from an earlier --json"
    )
    options = parser.parse_args(arguments)
    if options.keep and not options.keep.is_file():
        parser.error(f"--keep {options.keep}: there is no such file; it is written by --json")
    if options.rounds < 1:
        parser.error(f"--rounds {options.rounds}: play at least one round")
    return options


def play_rows(
    rows: Sequence[Row], options: argparse.Namespace
) -> tuple[dict[str, str], dict[str, dict[str, list[Finding]]]]:
    """Play the rows on services of their own; returns the versions of these, and what was seen of each row."""
    order = list(rows)
    if options.seed is not None:
        random.Random(options.seed).shuffle(order)  # noqa: S311 - an order of chance guards no secret
    with tempfile.TemporaryDirectory(prefix="faults-", ignore_cleanup_errors=True) as name:
        folder = Path(name).resolve()
        with leftovers.watched(folder), Stage(folder) as stage:
            return versions(stage.node), play_all(stage, order, options)


def play_all(stage: Stage, rows: Sequence[Row], options: argparse.Namespace) -> dict[str, dict[str, list[Finding]]]:
    """Play every row on both sides, then ours again in each further round."""
    findings: dict[str, dict[str, list[Finding]]] = {row.name: {} for row in rows}
    parts = [
        (row, side)
        for number in range(options.rounds)
        for row in rows
        for side in (STOCK, OURS)
        if side == OURS or (options.stock and row.stock and number == 0)
    ]
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task("", total=len(parts))
        for row, side in parts:
            progress.update(bar, description=f"{row.name}, {side}")
            finding = play(stage, row, side)
            findings[row.name].setdefault(side, []).append(finding)
            progress.console.print(f"{row.name}, {side}: {finding.text}", highlight=False)
            progress.advance(bar)
    return findings


def play(stage: Stage, row: Row, side: str) -> Finding:
    """Play one row on one side; what goes wrong with it is a finding, too."""
    try:
        with stage.scene(side) as scene:
            return row.play(scene)
    except Exception as error:
        with suppress(OSError):
            (stage.folder / f"{row.name}-{side}.error").write_text(traceback.format_exc())
        reason = f"{type(error).__name__}: {error}".partition("\n")[0].partition(" The end of")[0]
        return Finding(False, f"could not be played to its end: {reason}")


if __name__ == "__main__":
    run_program(main)
