"""The processes of one run of the tests: known, checked at its end, and killed when the run itself was killed."""

import contextlib
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil

MARK = "WEATHERBEAT_TEST_RUN"
"""The environment variable that every process of a run inherits; its value is the run's own."""

SWEEPS = 20
SWEEP_INTERVAL = 0.1


def processes_of_run(mark: str, folder: Path) -> list[psutil.Process]:
    """Every living process that inherited `mark` or works below `folder`, without the calling one.

    The folder is looked at because a server that sets its title (Valkey does) overwrites its environment.
    """
    return [
        process for process in psutil.process_iter() if process.pid != os.getpid() and _belongs(process, mark, folder)
    ]


def kill_processes_of_run(mark: str, folder: Path) -> None:
    """Kill them, and those that they start meanwhile."""
    for _ in range(SWEEPS):
        processes = processes_of_run(mark, folder)
        if not processes:
            return
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        time.sleep(SWEEP_INTERVAL)


@contextlib.contextmanager
def watched(folder: Path) -> Iterator[str]:
    """Mark what is started inside the block, and yield the mark.

    A watchdog outside this process kills what is left afterwards, also when this process dies of a signal that cannot
    be caught: it waits for the end of a pipe that only this process holds open.
    """
    mark = uuid.uuid4().hex
    command = [sys.executable, __file__, mark, str(folder)]
    watchdog = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
    os.environ[MARK] = mark
    try:
        yield mark
    finally:
        del os.environ[MARK]
        watchdog.communicate()


def _belongs(process: psutil.Process, mark: str, folder: Path) -> bool:
    # Other people's processes cannot be read, and any process may end while it is looked at.
    with contextlib.suppress(psutil.Error, OSError):
        return process.environ().get(MARK) == mark or Path(process.cwd()).is_relative_to(folder)
    return False


if __name__ == "__main__":
    sys.stdin.read()
    kill_processes_of_run(sys.argv[1], Path(sys.argv[2]))
