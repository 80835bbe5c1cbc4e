"""Workflows in a terminal: a tree of steps that changes while they run."""

from collections.abc import Iterable

from rich.console import Console, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from app.drawing import screen
from app.drawing.screen import Outcome
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


def picture(run: Run, console: Console) -> RenderableType:
    """A workflow as it stands: what it shows, its code, and the tree of its steps."""
    code = screen.code(run.workflow.code, "python", console)
    return screen.sheet(run.name, run.workflow.summary, code, step_tree(run.root, run.over), console)


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
    line.append(step.name.rpartition(".")[2]).append(f"({', '.join(map(screen.short, step.args))})")
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
        line.append(" → ", "dim").append(screen.value(step.result), "green")
    elif step.error:
        line.append(" → ", "dim").append(step.error, "red")
    elif step.state != "PENDING" or over:
        line.append(" not run" if step.state == "PENDING" else f" {step.state.lower()}", "dim")
    if step.retries:
        line.append(f"  {step.retries} retries" if step.retries > 1 else "  1 retry", "magenta")


def _where_and_how_long(step: Step) -> Text:
    took = [] if step.seconds is None else [screen.duration(step.seconds)]
    return Text("  ".join(took + ([step.worker] if step.worker else [])), "dim", no_wrap=True)


def outcome(run: Run) -> Outcome:
    """What a workflow gave, beside what it had to give."""
    result = run.skipped or ("took too long" if run.late else _unquoted(run.result))
    expected = _unquoted(run.workflow.expected)
    return Outcome(run.name, run.ok, result, expected, run.seconds, skipped=run.skipped is not None)


def _unquoted(result: object) -> str:
    return result if isinstance(result, str) else screen.value(result)
