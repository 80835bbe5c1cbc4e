"""`celery -A tests.acceptance.dies_while_writing worker`: the project's worker, killed in the middle of a write."""

import os
import signal

from app.celery import app
from app.weather import store

__all__ = ["app"]


def write_half_and_die(descriptor: int, lines: bytes) -> None:
    """As a power cut would have it: half the lines and the beginning of one more, and nobody to take them back."""
    half = lines.index(b"\n", len(lines) // 2) + 1
    os.write(descriptor, lines[: half + 20])
    os.kill(os.getpid(), signal.SIGKILL)


store._write = write_half_and_die
