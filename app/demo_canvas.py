"""`python -m app.demo_canvas`: start workflows and draw them in the terminal until they end."""

from app.program import refuse, run_program  # first, so that Ctrl-C is quiet while the rest is loaded

# isort: split
import argparse
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from functools import partial
from typing import Any

from celery.exceptions import CeleryError
from kombu.exceptions import KombuError
from redis import RedisError
from rich.console import Console

from app.celery import app
from app.connections import Unreachable, broker_uri, check_broker, check_results
from app.demo import option_parser, print_document, print_list, print_summary
from app.drawing import screen, workflows
from app.embedded import EmbeddedBrokerError
from app.settings import get_settings
from app.worker import WorkerFailed, serving_worker
from app.workflows.catalogue import WORKFLOWS, Workflow
from app.workflows.events import event_stream
from app.workflows.graph import dot, mermaid
from app.workflows.progress import Step, plan
from app.workflows.run import Run, execute, prepare

KIND = "workflow"
BROKEN = (Unreachable, WorkerFailed, EmbeddedBrokerError, CeleryError, KombuError, RedisError, OSError)
"""What a broker, a result store or a worker that is missing or goes away in the middle may raise."""

Start = Callable[[Run], None]


def main() -> int:
    """Run the demo. Returns 0 when every workflow gave what it must, 1 when one did not; exits with 2 for wrong use."""
    options = _options()
    chosen = {name: WORKFLOWS[name] for name in options.only or WORKFLOWS}
    if options.list:
        print_list(chosen, as_json=options.json)
        return 0
    if options.graph:
        for name, workflow in chosen.items():
            root = plan(workflow.build())
            print(mermaid(root) if options.graph == "mermaid" else dot(root, name))
        return 0
    return _run_all(chosen, as_json=options.json, limit=options.limit)


def _options() -> argparse.Namespace:
    parser = option_parser(
        "app.demo_canvas",
        "Start Celery workflows and watch them run. A worker that serves the broker is used; "
        "without one, the demo starts its own and stops it at the end.",
        KIND,
        WORKFLOWS,
    )
    parser.add_argument("--graph", choices=("mermaid", "dot"), help="print the workflows as graphs and end")
    options = parser.parse_args()
    if options.graph and (options.list or options.json):
        parser.error("--graph prints graphs and nothing else; leave out --list and --json")
    return options


def _run_all(chosen: dict[str, Workflow], *, as_json: bool, limit: float) -> int:
    console = screen.console()
    started = time.monotonic()
    runs = [prepare(name, workflow) for name, workflow in chosen.items()]
    try:
        starting = nullcontext() if as_json else console.status("Looking for a worker, or starting one …")
        worker = _execute_all(runs, _silently if as_json else partial(_drawn, console), limit, starting)
    except BrokenPipeError:
        raise
    except BROKEN as error:
        return refuse(str(error) or repr(error))
    if as_json:
        print_document(document(runs))
    else:
        served_by = {"Broker": broker_uri(app), "Worker": worker}
        print_summary(console, KIND, list(map(workflows.outcome, runs)), time.monotonic() - started, served_by)
    return 0 if all(run.ok for run in runs) else 1


def _execute_all(
    runs: list[Run], show: Callable[[Run, Start], None], limit: float, starting: AbstractContextManager[object]
) -> str:
    """Execute the runs, one after another, and return the name of the worker that served them.

    `starting` is entered until there is a worker.
    """
    log = get_settings().data_dir / "demo-worker.log"
    with ExitStack() as stack:
        with starting:
            check_broker(app)
            check_results(app)
            events = stack.enter_context(event_stream(app))
            worker = stack.enter_context(serving_worker(app, events, log))
        for run in runs:
            show(run, partial(execute, app=app, events=events, limit=limit))
    return worker


def _silently(run: Run, start: Start) -> None:
    start(run)


def _drawn(console: Console, run: Run, start: Start) -> None:
    with screen.live(console, partial(workflows.picture, run, console)):
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
