"""A process that is killed in the middle of its work, as the kernel's memory killer would do it."""

import os
import signal
from pathlib import Path


def note_run() -> int:
    """Note a run in the file named by RUNS; how many there have been."""
    with Path(os.environ["RUNS"]).open("a+") as runs:
        runs.write("run\n")
        runs.seek(0)
        return len(runs.readlines())


def kill_this_process() -> None:
    """End it on the spot."""
    os.kill(os.getpid(), signal.SIGKILL)


def die_the_first_time() -> None:
    """End the first process that comes here, and let those after it go on."""
    if note_run() == 1:
        kill_this_process()
