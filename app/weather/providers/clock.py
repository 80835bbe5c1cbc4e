"""The time during a run, which may last minutes when there are many places."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta

Clock = Callable[[], datetime]


def clock_from(now: datetime) -> Clock:
    """A clock that stands at `now` and goes on."""
    started = time.monotonic()
    return lambda: now + timedelta(seconds=time.monotonic() - started)
