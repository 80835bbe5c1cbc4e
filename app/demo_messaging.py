"""`python -m app.demo_messaging`: play every experiment with RabbitMQ and draw what each message does."""

from app.program import MISUSED, refuse, run_program  # first, so that Ctrl-C is quiet while the rest is loaded

# isort: split
import argparse
import asyncio
import logging
import signal
import time
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

from rich.console import Console

from app.demo import option_parser, print_document, print_list, print_summary
from app.drawing import experiments, screen
from app.experiments.broker import Broker
from app.experiments.catalogue import EXPERIMENTS
from app.experiments.run import Run, execute
from app.messaging.errors import ConfigurationError, MessagingError, masked
from app.settings import SettingsError, get_settings

KIND = "experiment"
ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
WITHOUT_RABBITMQ = (
    "The experiments need RabbitMQ: run `make rabbitmq` in another terminal (it starts a private one), "
    "and here export RABBITMQ_URL=amqp://guest:guest@127.0.0.1:5672//."
)


def main() -> int:
    """Run the demo. Returns 0 when all was seen that must be, 1 when something was not; exits with 2 for wrong use."""
    options = _options()
    names = options.only or list(EXPERIMENTS)
    if options.list:
        print_list({name: EXPERIMENTS[name] for name in names}, as_json=options.json)
        return 0
    try:
        url = get_settings().rabbitmq_url
        if url is None:
            return refuse(WITHOUT_RABBITMQ)
        return _run_all([Run(name, EXPERIMENTS[name]) for name in dict.fromkeys(names)], url, options)
    except (SettingsError, ConfigurationError) as error:
        return refuse(str(error), MISUSED)
    except MessagingError as error:
        return refuse(str(error))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


def _options() -> argparse.Namespace:
    return option_parser(
        "app.demo_messaging",
        "Play experiments with the RabbitMQ at RABBITMQ_URL, every role in a process of its own, and watch what "
        "becomes of each message. Queues and exchanges are the demo's own, and deleted at the end.",
        KIND,
        EXPERIMENTS,
    ).parse_args()


def _run_all(runs: Sequence[Run], url: str, options: argparse.Namespace) -> int:
    for noisy in ("aio_pika", "aiormq", "app.messaging"):  # what a lost connection means is said at the end, once
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    console = screen.console()
    started = time.monotonic()
    asyncio.run(_execute_all(runs, url, options.limit, None if options.json else console))
    if options.json:
        print_document(document(runs, url))
    else:
        outcomes = [experiments.outcome(run) for run in runs]
        print_summary(console, KIND, outcomes, time.monotonic() - started, {"Broker": masked(url)})
    return 0 if all(run.ok for run in runs) else 1


async def _execute_all(runs: Sequence[Run], url: str, limit: float, console: Console | None) -> None:
    """Execute the runs, one after another, and draw them on `console` if there is one."""
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    for ending in ENDINGS:
        loop.add_signal_handler(ending, task.cancel if task else loop.stop)
    async with Broker(url) as broker:
        for run in runs:
            drawn = screen.live(console, partial(experiments.picture, run, console)) if console else nullcontext()
            with drawn:
                await execute(run, broker, limit)


def document(runs: Sequence[Run], url: str) -> dict[str, Any]:
    """The runs as the document that `--json` prints."""
    return {"ok": all(run.ok for run in runs), "broker": masked(url), "experiments": [_entry(run) for run in runs]}


def _entry(run: Run) -> dict[str, Any]:
    return {
        "name": run.name,
        "ok": run.ok,
        "skipped": run.skipped,
        "error": run.error,
        "expected": run.experiment.expected,
        "seen": run.seen,
        "seconds": round(run.seconds, 3),
        "commands": run.commands,
        "steps": [told.as_json() for told in run.trace.told],
    }


if __name__ == "__main__":
    run_program(main)
