"""The application with a task that kills what runs it: `celery -A tests.services.deadly_app worker`."""

import os
import signal
from pathlib import Path

from app.celery import app


@app.task
def kill_this_process() -> None:
    """Note that it ran, in the file named by RUNS, then end the process as the kernel's memory killer would."""
    with Path(os.environ["RUNS"]).open("a") as runs:
        runs.write("run\n")
    os.kill(os.getpid(), signal.SIGKILL)
