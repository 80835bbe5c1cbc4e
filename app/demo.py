"""What the demos have in common: their options, the list, and how they end."""

import argparse
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from rich.console import Console

from app.drawing import screen
from app.drawing.screen import Outcome


class Described(Protocol):
    """What a demo can show."""

    @property
    def summary(self) -> str:
        """What it shows, in one sentence."""


def option_parser(program: str, description: str, kind: str, names: Iterable[str]) -> argparse.ArgumentParser:
    """The options that every demo has; `kind` says what the `names` stand for."""
    parser = argparse.ArgumentParser(prog=f"python -m {program}", description=description)
    parser.add_argument("--list", action="store_true", help=f"name the {kind}s and end")
    parser.add_argument("--only", action="append", metavar="NAME", choices=names, help=f"this {kind} (repeatable)")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of drawing")
    parser.add_argument("--limit", type=_seconds, default=60.0, metavar="SECONDS", help="longest time for one (60)")
    return parser


def _seconds(text: str) -> float:
    seconds = float(text)
    if not (math.isfinite(seconds) and seconds > 0):
        raise argparse.ArgumentTypeError(f"{text} is no number of seconds above zero")
    return seconds


def print_list(chosen: Mapping[str, Described], *, as_json: bool) -> None:
    """Print what there is to show."""
    if as_json:
        print(
            json.dumps([{"name": name, "summary": described.summary} for name, described in chosen.items()], indent=2)
        )
        return
    for name, described in chosen.items():
        print(f"{name:<12} {described.summary}")


def print_summary(
    console: Console, kind: str, outcomes: Sequence[Outcome], seconds: float, served_by: Mapping[str, str]
) -> None:
    """Print what came out, how long all of it took, and who served it."""
    console.print(screen.summary(kind, outcomes))
    console.print(f"\n{screen.verdict(kind, outcomes)}, in {screen.duration(seconds)}.", style="bold")
    console.print("\n".join(f"{role}: {name}" for role, name in served_by.items()), style="dim")


def print_document(document: Mapping[str, Any]) -> None:
    """Print what came out for programs."""
    print(json.dumps(document, indent=2))
