"""The application with tasks that kill what runs them: `celery -A tests.services.deadly_app worker`."""

import os
import signal
from pathlib import Path

from app.celery import app
from tasks.accounts import deposit


@app.task
def kill_this_process() -> None:
    """Note that it ran, in the file named by RUNS, then end the process as the kernel's memory killer would."""
    with Path(os.environ["RUNS"]).open("a") as runs:
        runs.write("run\n")
    os.kill(os.getpid(), signal.SIGKILL)


@app.task
def deposit_and_kill_this_process(account: str, key: str) -> int:
    """Take an effect, then end before it can be acknowledged; the second time, return the balance."""
    balance = deposit(account, 10, key)
    with Path(os.environ["RUNS"]).open("a+") as runs:
        runs.write("run\n")
        runs.seek(0)
        if len(runs.readlines()) == 1:
            runs.flush()
            os.kill(os.getpid(), signal.SIGKILL)
    return int(balance)
