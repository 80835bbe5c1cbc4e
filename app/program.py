"""How every program of Weatherbeat ends: with an exit code, never with a traceback for what a user can cause."""

import os
import signal
import sys
from collections.abc import Callable
from typing import NoReturn

INTERRUPTED = 130
CLOSED_PIPE = 141


def run_program(main: Callable[[], int]) -> NoReturn:
    """Run `main` and exit with its code; Ctrl-C, SIGTERM and a reader that went away (`| head`) end it quietly."""
    # Whatever main has started must be stopped by it, however it is told to end.
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, _interrupt)
    try:
        code = main()
        sys.stdout.flush()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # Python flushes standard output once more at exit, which would fail again, and loudly.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(CLOSED_PIPE)
    sys.exit(code)


def _interrupt(signal_number: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt
