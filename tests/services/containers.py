"""Local processes in the place of the Docker containers that pytest-celery's nodes expect.

A node asks its container for little more than its name, its state and its log, and to be killed and restarted.
"""

import signal as signals

from tests.services.celery import Worker
from tests.services.process import LocalProcess


class ProcessContainer:
    """A local process; `url` is how Celery reaches it, or what it works for."""

    def __init__(self, process: LocalProcess, url: str) -> None:
        self.process = process
        self.name = process.name
        self.id = process.directory.name
        self.celeryconfig = {"url": url, "host_url": url}

    @property
    def status(self) -> str:
        return "running" if self.process.is_running else "exited"

    def ready(self) -> bool:
        return self.process.is_running and self.process.is_ready()

    def kill(self, signal: str | int = "SIGKILL") -> None:
        self.process.kill(signals.Signals[signal] if isinstance(signal, str) else signals.Signals(signal))

    def restart(self, timeout: float | None = None) -> None:
        self.process.restart()

    def reload(self) -> None:
        """Nothing to do: what is known of a process is always current; of a container it must be fetched."""

    def logs(self) -> str:
        return self.process.log()

    def teardown(self) -> None:
        self.process.stop()


class WorkerContainer(ProcessContainer):
    """A worker; its node's `hostname()` is the worker's own."""

    def __init__(self, worker: Worker) -> None:
        super().__init__(worker, worker.broker_url)
        self._worker_name, _, self.id = worker.hostname.partition("@")

    def worker_name(self) -> str:
        return self._worker_name

    def worker_queue(self) -> str:
        return "celery"
