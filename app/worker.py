"""A worker for as long as a demo needs one: the one that already serves the broker, or one of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

from celery import Celery

from app.workflows.events import EventStream

PROJECT = Path(__file__).parent.parent
PING_SECONDS = 0.5
READY_SECONDS = 20.0
STOP_SECONDS = 10.0


class WorkerFailed(RuntimeError):
    """The demo's own worker did not start; the message ends with what it last said."""


@contextmanager
def serving_worker(app: Celery, events: EventStream, log: Path) -> Iterator[str]:
    """Have a worker that serves `app`'s broker and sends events; gives its name.

    Without one, starts a worker that writes to `log` and ends with the block.
    Raises WorkerFailed when that worker does not start.
    """
    if replies := app.control.ping(timeout=PING_SECONDS, limit=1):
        with _events_enabled(app):
            yield ", ".join(name for reply in replies for name in reply)
    else:
        with _own_worker(events, log) as name:
            yield name


@contextmanager
def _events_enabled(app: Celery) -> Iterator[None]:
    """Let all workers send events, and stop those again that did not before."""
    replies = app.control.enable_events(reply=True, timeout=PING_SECONDS) or []
    silent = [name for reply in replies for name, answer in reply.items() if "already" not in str(answer)]
    try:
        yield
    finally:
        if silent:
            app.control.disable_events(destination=silent)


@contextmanager
def _own_worker(events: EventStream, log: Path) -> Iterator[str]:
    name = f"demo-{os.getpid()}"
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "app.worker", "-A", "app", "worker", "--hostname", f"{name}@%h"]
    # Threads start faster than processes; gossip and mingle are for workers that have neighbours.
    command += ["--pool", "threads", "--concurrency", "10", "--without-gossip", "--without-mingle"]
    command += ["--events", "--loglevel", "INFO"]
    with log.open("wb") as output:
        # A session of its own: Ctrl-C in the terminal reaches the demo, which then ends its worker.
        worker = subprocess.Popen(
            command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=output, stderr=output, start_new_session=True
        )
    try:
        yield _wait_until_online(worker, events, name, log)
    finally:
        _stop(worker)


def _wait_until_online(worker: "subprocess.Popen[bytes]", events: EventStream, name: str, log: Path) -> str:
    deadline = time.monotonic() + READY_SECONDS
    while worker.poll() is None and time.monotonic() < deadline:
        for event in events.take(0.1):
            if event["type"] == "worker-online" and event["hostname"].startswith(f"{name}@"):
                return str(event["hostname"])
    last_lines = log.read_text(errors="replace").strip().splitlines()[-1:]
    raise WorkerFailed(f"The demo's own worker did not start; {log} ends with: {' '.join(last_lines) or 'nothing'}")


def _stop(worker: "subprocess.Popen[bytes]") -> None:
    worker.terminate()
    try:
        worker.communicate(timeout=STOP_SECONDS)
    except subprocess.TimeoutExpired:
        worker.kill()
        worker.communicate()


def _end_when_input_ends() -> None:
    """End this worker when the demo that holds the other end of its standard input is gone, however it ended."""
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    from celery.__main__ import main

    Thread(target=_end_when_input_ends, daemon=True).start()
    sys.exit(main())
