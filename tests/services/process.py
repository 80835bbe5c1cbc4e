"""A service as a local process: started, ready, stopped, killed, and nothing of it left behind."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

LOG_TAIL = 30
POLL_INTERVAL = 0.02


class ServiceError(Exception):
    """A service did not start or did not get ready; the message ends with the last lines of its log."""


class LocalProcess:
    """One process in its own session (so Ctrl-C does not reach it), with its output in a log file.

    A subclass says in `is_ready` how to know that the service answers. As a context manager it is started on entry
    and stopped on exit.
    """

    start_timeout = 30.0
    stop_timeout = 10.0
    stop_signal = signal.SIGTERM

    def __init__(
        self,
        command: Sequence[str | Path],
        directory: Path,
        *,
        environment: Mapping[str, str] | None = None,
        working_directory: Path | None = None,
        name: str | None = None,
    ) -> None:
        """Prepare `command`; `directory` holds its log and is its working directory unless another one is given.

        Args:
            command: The program and its arguments.
            directory: Made when it is missing; the service's own.
            environment: The whole environment of the process; None hands down that of this one.
            working_directory: Where the process runs.
            name: What the log file and the error messages call it; by default the program's name.
        """
        self.command = [str(part) for part in command]
        self.directory = directory
        self.environment = environment
        self.working_directory = working_directory or directory
        self.name = name or Path(self.command[0]).name
        self.log_file = directory / f"{self.name}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._has_group = False
        self._log_start = 0

    def start(self) -> Self:
        """Start the process and wait until it is ready.

        Raises ServiceError when it ends early or is not ready within `start_timeout` seconds.
        """
        if self.is_running:
            raise ServiceError(f"{self.name} is running already, as process {self.pid}.")
        self.directory.mkdir(parents=True, exist_ok=True)
        self._launch()
        try:
            self._wait_until_ready()
        except BaseException:
            self.kill()
            raise
        return self

    def stop(self) -> None:
        """Ask the process to end, wait, then kill what is left of its group; a stopped service may be stopped again."""
        if self._process is None:
            return
        with contextlib.suppress(subprocess.TimeoutExpired, ProcessLookupError):
            self.send_signal(self.stop_signal)
            self._process.wait(self.stop_timeout)
        self.kill()

    def kill(self, signum: signal.Signals = signal.SIGKILL) -> None:
        """Send `signum` to the process and all that it started in its group, as a power cut does; wait for its end."""
        if self._process is None or not self._has_group:
            return
        # A group whose last member is a zombie answers PermissionError on macOS.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signum)
        self._process.wait(self.stop_timeout)
        self._has_group = signum != signal.SIGKILL  # once it is gone, its number may become that of another group

    def send_signal(self, signum: signal.Signals) -> None:
        """Send `signum` to the process alone and do not wait, but for SIGSTOP, until the last of its threads stops."""
        self._started.send_signal(signum)
        if signum == signal.SIGSTOP and hasattr(os, "waitid"):  # not on macOS before Python 3.13
            os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def restart(self) -> Self:
        """Stop the process if it runs, and start it again with the same command, directory and ports."""
        self.stop()
        return self.start()

    def is_ready(self) -> bool:
        """Whether the service answers; a plain process is ready at once."""
        return True

    @property
    def is_running(self) -> bool:
        """Whether the process has been started and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The id of the process, also after its end."""
        return self._started.pid

    @property
    def exit_code(self) -> int | None:
        """The exit code; None while it runs, negative when a signal ended it."""
        return self._started.poll()

    def log(self) -> str:
        """All that the process has written so far, over every start."""
        return self._read_log(0)

    def log_of_this_start(self) -> str:
        """What the process has written since it was started last."""
        return self._read_log(self._log_start)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def _started(self) -> "subprocess.Popen[bytes]":
        if self._process is None:
            raise ServiceError(f"{self.name} has not been started.")
        return self._process

    def _launch(self) -> None:
        with self.log_file.open("ab") as log:
            self._log_start = log.tell()
            self._process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.working_directory,
                env=self.environment,
                start_new_session=True,
            )
        self._has_group = True

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + self.start_timeout
        while not self.is_ready():
            if not self.is_running:
                raise ServiceError(self._failure(f"ended with exit code {self.exit_code} before it was ready"))
            if time.monotonic() >= deadline:
                raise ServiceError(self._failure(f"was not ready within {self.start_timeout:g} s"))
            time.sleep(POLL_INTERVAL)

    def _read_log(self, offset: int) -> str:
        if not self.log_file.exists():
            return ""
        with self.log_file.open("rb") as log:
            log.seek(offset)
            return log.read().decode(errors="replace")

    def _failure(self, what: str) -> str:
        tail = "\n".join(self.log_of_this_start().splitlines()[-LOG_TAIL:])
        return f"{self.name} {what}. The end of {self.log_file}:\n{tail}"
