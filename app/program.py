"""How every program of Weatherbeat ends: with an exit code, never with a traceback for what a user can cause.

A program imports this first: from then on, Ctrl-C is quiet also while the rest of it is being imported.
"""

import io
import os
import signal
import sys
from collections.abc import Callable
from types import TracebackType
from typing import NoReturn

FAILED = 1
MISUSED = 2
INTERRUPTED = 130
CLOSED_PIPE = 141


def run_program(main: Callable[[], int]) -> NoReturn:
    """Run `main` and exit with its code.

    Ctrl-C, SIGTERM, SIGHUP and a reader that went away (`| head`) end it quietly; output that cannot be written ends it
    with a sentence. A character that the terminal cannot show is shown as a question mark.
    """
    # Whatever main has started must be stopped by it, however it is told to end.
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, _interrupt)
    try:
        _prepare_output()
        code = main()
        sys.stdout.flush()
    except KeyboardInterrupt:
        code = INTERRUPTED
    except BrokenPipeError:
        _discard_output()
        code = CLOSED_PIPE
    except OSError as error:
        _discard_output()
        print(
            f"{os.strerror(error.errno) if error.errno else error}: the output could not be written.", file=sys.stderr
        )
        code = FAILED
    sys.exit(code)


def refuse(sentence: str, code: int = FAILED) -> int:
    """Say on standard error why the program ends; returns `code`, to end it with."""
    print(sentence, file=sys.stderr)
    return code


def _prepare_output() -> None:
    if sys.stdout is None:  # closed by whoever started the program
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123 - for as long as the program runs
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _discard_output() -> None:
    # Python flushes standard output once more at exit, which would fail again, and loudly.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _interrupt(signal_number: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt


def _without_traceback(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    if not issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, traceback)


sys.excepthook = _without_traceback
