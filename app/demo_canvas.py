"""`python -m app.demo_canvas`: start workflows and draw them in the terminal until they end."""

import argparse
import json
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from celery.exceptions import CeleryError
from kombu.exceptions import KombuError
from redis import RedisError
from rich.console import Console
from rich.live import Live

from app import drawing
from app.celery import app
from app.connections import Unreachable, broker_uri, check_broker, check_results
from app.embedded import EmbeddedBrokerError
from app.program import run_program
from app.settings import get_settings
from app.worker import WorkerFailed, serving_worker
from app.workflows.catalogue import WORKFLOWS, Workflow
from app.workflows.events import event_stream
from app.workflows.graph import dot, mermaid
from app.workflows.progress import Step, plan
from app.workflows.run import Run, execute, prepare

FRAMES_PER_SECOND = 12
BROKEN = (Unreachable, WorkerFailed, EmbeddedBrokerError, CeleryError, KombuError, RedisError, OSError)
"""What a broker, a result store or a worker that is missing or goes away in the middle may raise."""

Start = Callable[[Run], None]


def main() -> int:
    """Run the demo. Returns 0 when every workflow gave what it must, 1 when one did not; exits with 2 for wrong use."""
    options = _options()
    chosen = {name: WORKFLOWS[name] for name in options.only or WORKFLOWS}
    if options.list:
        _print_list(chosen, as_json=options.json)
        return 0
    if options.graph:
        for name, workflow in chosen.items():
            root = plan(workflow.build())
            print(mermaid(root) if options.graph == "mermaid" else dot(root, name))
        return 0
    return _run_all(chosen, as_json=options.json, limit=options.limit)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m app.demo_canvas",
        description="Start Celery workflows and watch them run. A worker that serves the broker is used; "
        "without one, the demo starts its own and stops it at the end.",
    )
    parser.add_argument("--list", action="store_true", help="name the workflows and end")
    parser.add_argument("--only", action="append", metavar="NAME", choices=WORKFLOWS, help="this workflow (repeatable)")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of drawing")
    parser.add_argument("--graph", choices=("mermaid", "dot"), help="print the workflows as graphs and end")
    parser.add_argument("--limit", type=float, default=60.0, metavar="SECONDS", help="longest time for one (60)")
    return parser.parse_args()


def _print_list(chosen: dict[str, Workflow], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps([{"name": name, "summary": workflow.summary} for name, workflow in chosen.items()], indent=2))
        return
    for name, workflow in chosen.items():
        print(f"{name:<12} {workflow.summary}")


def _run_all(chosen: dict[str, Workflow], *, as_json: bool, limit: float) -> int:
    console = drawing.console()
    started = time.monotonic()
    runs = [prepare(name, workflow) for name, workflow in chosen.items()]
    try:
        worker = _execute_all(runs, _silently if as_json else partial(_drawn, console), limit)
    except BrokenPipeError:
        raise
    except BROKEN as error:
        print(error or repr(error), file=sys.stderr)
        return 1
    if as_json:
        print(json.dumps(document(runs), indent=2))
    else:
        console.print(drawing.summary(runs))
        console.print(f"\n{drawing.verdict(runs)}, in {drawing.duration(time.monotonic() - started)}.", style="bold")
        console.print(f"Broker: {broker_uri(app)}\nWorker: {worker}", style="dim")
    return 0 if all(run.ok for run in runs) else 1


def _execute_all(runs: list[Run], show: Callable[[Run, Start], None], limit: float) -> str:
    """Execute the runs, one after another, and return the name of the worker that served them."""
    check_broker(app)
    check_results(app)
    log = get_settings().data_dir / "demo-worker.log"
    with event_stream(app) as events, serving_worker(app, events, log) as worker:
        for run in runs:
            show(run, partial(execute, app=app, events=events, limit=limit))
    return worker


def _silently(run: Run, start: Start) -> None:
    start(run)


def _drawn(console: Console, run: Run, start: Start) -> None:
    if not console.is_terminal:
        start(run)
        console.print(drawing.picture(run, console))
        return
    picture = partial(drawing.picture, run, console)
    with Live(get_renderable=picture, console=console, refresh_per_second=FRAMES_PER_SECOND):
        start(run)


def document(runs: list[Run]) -> dict[str, Any]:
    """The runs as the document that `--json` prints."""
    entries = [_entry(run) for run in runs]
    return {"ok": all(run.ok for run in runs), "broker": broker_uri(app), "workflows": entries}


def _entry(run: Run) -> dict[str, Any]:
    return {
        "name": run.name,
        "ok": run.ok,
        "skipped": run.skipped,
        "result": run.result,
        "expected": run.workflow.expected,
        "seconds": round(run.seconds, 3),
        "steps": [_step(step) for step in run.root.tasks()],
    }


def _step(step: Step) -> dict[str, Any]:
    return {
        "task": step.name,
        "id": step.id,
        "role": step.role,
        "args": step.args,
        "state": step.state,
        "result": step.result,
        "error": step.error,
        "worker": step.worker,
        "seconds": step.seconds,
        "retries": step.retries,
    }


if __name__ == "__main__":
    run_program(main)
