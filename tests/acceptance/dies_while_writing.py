"""`celery -A tests.acceptance.dies_while_writing worker`: the project's worker, killed in the middle of a write."""

import os
import signal

from app.celery import app
from app.weather import store

__all__ = ["app"]


def write_half_and_die(descriptor: int, lines: bytes) -> None:
    """As a power cut would have it: half a line at the end of the file, and nobody to take it back."""
    os.write(descriptor, lines[: len(lines) // 2])
    os.kill(os.getpid(), signal.SIGKILL)


store._write = write_half_and_die
