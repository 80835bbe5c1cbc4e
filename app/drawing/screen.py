"""What every picture has in common: the terminal, the place of the code, the summary, durations and values."""

import reprlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

WIDE = 120
"""From this many columns on, the code stands beside its tree instead of above it."""
SHOWN_VALUE = 60
FRAMES_PER_SECOND = 12


@dataclass(frozen=True, slots=True)
class Outcome:
    """One line of the summary."""

    name: str
    ok: bool
    result: str
    """What came out, or why nothing did."""
    expected: str
    seconds: float
    skipped: bool = False


class _Short(reprlib.Repr):
    def repr_dict(self, x: dict[Any, Any], level: int) -> str:
        return repr(x)  # in its own order, where reprlib sorts


_short = _Short()
_short.maxlist = _short.maxtuple = _short.maxdict = 12
_short.maxstring = _short.maxother = 80


def console(*, stderr: bool = False) -> Console:
    """A console that keeps to what the terminal can show: no escape codes in a pipe, none with NO_COLOR."""
    return Console(stderr=stderr, highlight=False, soft_wrap=False)


@contextmanager
def live(console: Console, picture: Callable[[], RenderableType]) -> Iterator[None]:
    """Draw `picture` again and again while the block runs; in a pipe, once at its end."""
    if console.is_terminal:
        with Live(get_renderable=picture, console=console, refresh_per_second=FRAMES_PER_SECOND):
            yield
    else:
        yield
        console.print(picture())


def sheet(name: str, summary: str, code: RenderableType, tree: RenderableType, console: Console) -> RenderableType:
    """A picture: what it is, the code, and the tree, which stand side by side where there is room."""
    head = Text.assemble((name, "bold"), "  ", (summary, "dim"))
    if console.width < WIDE:
        return Group(head, Padding(code, (0, 0, 0, 2), expand=False), tree, "")
    beside = Table.grid(padding=(0, 2), expand=True)
    beside.add_column(ratio=3)
    beside.add_column(ratio=2)
    beside.add_row(tree, code)
    return Group(head, beside, "")


def code(text: str, language: Literal["python", "bash"], console: Console) -> RenderableType:
    """`text` in the colours of its language."""
    if not console.is_terminal:
        return Text(text)  # Syntax would fill each line of a file with blanks
    return Syntax(text, language, theme="ansi_dark", background_color="default", word_wrap=True)


def short(result: object) -> str:
    """`result` as Python writes it, with long lists and texts cut."""
    return _short.repr(result)


def value(result: object) -> str:
    """A result on one line, shortened."""
    text = short(result)
    return text if len(text) <= SHOWN_VALUE else f"{text[: SHOWN_VALUE - 1]}…"


def duration(seconds: float) -> str:
    """A duration for people: 4 ms, 1.25 s."""
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"


def summary(kind: str, outcomes: Sequence[Outcome]) -> Table:
    """What each of them gave, beside what it had to give; `kind` says what they are."""
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0), expand=True)
    table.add_column(width=max(len(_mark(outcome)) for outcome in outcomes))
    table.add_column(kind, width=max(len(name) for name in (kind, *(outcome.name for outcome in outcomes))))
    table.add_column("result", ratio=3)
    table.add_column("expected", ratio=2)
    table.add_column("time", justify="right", width=7)
    for outcome in outcomes:
        style = "yellow" if outcome.skipped else "" if outcome.ok else "red"
        short = outcome.ok and not outcome.skipped
        result = Text(outcome.result, style, no_wrap=short, overflow="ellipsis")
        expected = Text(outcome.expected, "dim", no_wrap=short, overflow="ellipsis")
        table.add_row(_mark(outcome), outcome.name, result, expected, duration(outcome.seconds))
    return table


def verdict(kind: str, outcomes: Sequence[Outcome]) -> str:
    """How many ran, and how many of them went wrong, for people."""
    wrong = sum(not outcome.ok for outcome in outcomes)
    return f"{len(outcomes)} {kind}{'s' if len(outcomes) > 1 else ''}, {wrong or 'none'} wrong"


def _mark(outcome: Outcome) -> Text:
    if outcome.skipped:
        return Text("skipped", "yellow")
    return Text("✔", "green") if outcome.ok else Text("✘", "red")
