"""Workflows in a terminal, drawn with Rich: a tree that changes while it runs, and a summary at the end."""

import ast
import inspect
import reprlib
import textwrap
from collections.abc import Iterable
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from app.workflows.catalogue import Workflow
from app.workflows.progress import Step
from app.workflows.run import Run

STYLES = {
    "PENDING": ("·", "dim"),
    "RECEIVED": ("○", "cyan"),
    "STARTED": ("▶", "yellow"),
    "PROGRESS": ("▶", "yellow"),
    "SUCCESS": ("✔", "green"),
    "FAILURE": ("✘", "red"),
    "RETRY": ("↻", "magenta"),
    "REVOKED": ("⊘", "red"),
}
NOT_RUN = ("-", "dim")
ROLES = {"step": "", "body": "then ", "link": "on success ", "link_error": "on error "}
WIDE = 120
"""From this many columns on, a workflow's code stands beside its tree instead of above it."""
SHOWN_VALUE = 60


class _Short(reprlib.Repr):
    def repr_dict(self, x: dict[Any, Any], level: int) -> str:
        return repr(x)  # in its own order, where reprlib sorts


_short = _Short()
_short.maxlist = _short.maxtuple = _short.maxdict = 12
_short.maxstring = _short.maxother = 80


def console(*, stderr: bool = False) -> Console:
    """A console that keeps to what the terminal can show: no escape codes in a pipe, none with NO_COLOR."""
    return Console(stderr=stderr, highlight=False, soft_wrap=False)


def picture(run: Run, console: Console) -> RenderableType:
    """A workflow as it stands: what it shows, its code, and the tree of its steps."""
    head = Text.assemble((run.name, "bold"), "  ", (run.workflow.summary, "dim"))
    code = _code(source(run.workflow), console)
    tree = step_tree(run.root, run.over)
    if console.width < WIDE:
        return Group(head, Padding(code, (0, 0, 0, 2), expand=False), tree, "")
    beside = Table.grid(padding=(0, 2), expand=True)
    beside.add_column(ratio=3)
    beside.add_column(ratio=2)
    beside.add_row(tree, code)
    return Group(head, beside, "")


def _code(text: str, console: Console) -> RenderableType:
    if not console.is_terminal:
        return Text(text)  # Syntax would fill each line of a file with blanks
    return Syntax(text, "python", theme="ansi_dark", background_color="default", word_wrap=True)


def source(described: Workflow) -> str:
    """The code that builds a workflow, without its signature and docstring."""
    text = textwrap.dedent(inspect.getsource(described.build))
    (function,) = ast.parse(text).body
    assert isinstance(function, ast.FunctionDef)  # noqa: S101 - a builder is a function
    return textwrap.dedent("\n".join(text.splitlines()[function.body[1].lineno - 1 :]))


def step_tree(root: Step, over: bool) -> Tree:
    """The tree of steps; `over` says that what has not run by now never will."""
    tree = Tree(_label(root, over), guide_style="dim")
    _grow(tree, root.children, over)
    return tree


def _grow(tree: Tree, steps: Iterable[Step], over: bool) -> None:
    for step in steps:
        _grow(tree.add(_label(step, over)), step.children, over)


def _label(step: Step, over: bool) -> RenderableType:
    # A reason of failure is shown whole, anything else on one line.
    line = Text() if step.error or step.role == "link_error" else Text(no_wrap=True, overflow="ellipsis")
    if step.kind != "task":
        size = f" of {len(step.header)}" if step.kind != "chain" else ""
        return line.append(ROLES[step.role], "dim").append(step.name, "bold").append(size)
    glyph, style = NOT_RUN if over and step.state == "PENDING" else STYLES.get(step.state, ("?", ""))
    line.append(f"{glyph} ", style).append(ROLES[step.role], "dim")
    line.append(step.name.rpartition(".")[2]).append(f"({', '.join(map(_short.repr, step.args))})")
    _append_outcome(line, step, over)
    row = Table.grid(padding=(0, 0, 0, 2))
    if step.state == "PROGRESS" and step.total:
        row.add_row(line, ProgressBar(total=step.total, completed=step.done, width=20), f"{step.done}/{step.total}")
    else:
        row.add_row(line, _where_and_how_long(step))
    return row


def _append_outcome(line: Text, step: Step, over: bool) -> None:
    if step.state == "SUCCESS" and step.role == "link_error":
        line.append(" → ", "dim").append(str(step.result), "green")
    elif step.state == "SUCCESS":
        line.append(" → ", "dim").append(value(step.result), "green")
    elif step.error:
        line.append(" → ", "dim").append(step.error, "red")
    elif step.state != "PENDING" or over:
        line.append(" not run" if step.state == "PENDING" else f" {step.state.lower()}", "dim")
    if step.retries:
        line.append(f"  {step.retries} retries" if step.retries > 1 else "  1 retry", "magenta")


def _where_and_how_long(step: Step) -> Text:
    took = [] if step.seconds is None else [duration(step.seconds)]
    return Text("  ".join(took + ([step.worker] if step.worker else [])), "dim", no_wrap=True)


def value(result: object) -> str:
    """A result on one line, shortened."""
    text = _short.repr(result)
    return text if len(text) <= SHOWN_VALUE else f"{text[: SHOWN_VALUE - 1]}…"


def duration(seconds: float) -> str:
    """A duration for people: 4 ms, 1.25 s."""
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"


def summary(runs: list[Run]) -> Table:
    """What each workflow gave, beside what it had to give."""
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0), expand=True)
    table.add_column(width=max(len(_verdict(run)) for run in runs))
    table.add_column("workflow", width=max(len(name) for name in ("workflow", *(run.name for run in runs))))
    table.add_column("result", ratio=3)
    table.add_column("expected", ratio=2)
    table.add_column("time", justify="right", width=7)
    for run in runs:
        table.add_row(_verdict(run), run.name, *_comparison(run), duration(run.seconds))
    return table


def verdict(runs: list[Run]) -> str:
    """How many workflows ran, and how many of them went wrong, for people."""
    wrong = sum(not run.ok for run in runs)
    return f"{len(runs)} workflow{'s' if len(runs) > 1 else ''}, {wrong or 'none'} wrong"


def _verdict(run: Run) -> Text:
    if run.skipped:
        return Text("skipped", "yellow")
    return Text("✔", "green") if run.ok else Text("✘", "red")


def _comparison(run: Run) -> tuple[Text, Text]:
    expected = Text(_unquoted(run.workflow.expected), "dim", no_wrap=True, overflow="ellipsis")
    if run.skipped:
        return Text(run.skipped, "yellow"), expected
    result = "took too long" if run.late else _unquoted(run.result)
    return Text(result, "" if run.ok else "red", no_wrap=run.ok, overflow="ellipsis"), expected


def _unquoted(result: object) -> str:
    return result if isinstance(result, str) else value(result)
