"""Workers, beat and Flower of the project as local processes, started as a user starts them: `celery -A app …`."""

import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

import requests
from celery import Celery

from app import embedded
from app.settings import read_settings
from tests.services.ports import free_ports
from tests.services.process import LocalProcess

PROJECT = Path(__file__).parents[2]


class CeleryProgram(LocalProcess):
    """One program of Celery's command line, run in the project's folder."""

    application = "app"

    def __init__(self, program: str, arguments: list[str], directory: Path, settings: Mapping[str, str]) -> None:
        """Prepare the program; `settings` are the project's environment variables, `DATA_DIR` among them."""
        command = [sys.executable, "-m", "celery", "-A", self.application, program, *arguments]
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", **settings}
        super().__init__(command, directory, environment=environment, working_directory=PROJECT, name=program)
        read = read_settings(environment)
        self.broker_url = read.broker_url or embedded.url(read.data_dir)


class ControlledProgram(CeleryProgram):
    """A program that answers Celery's remote control; ready when it answers `ping`."""

    hostname: str
    ready_line: str

    def is_ready(self) -> bool:
        # Nobody answers before the log says so, and a ping that nobody answers takes its whole time-out.
        return self.ready_line in self.log_of_this_start() and self.answers()

    def answers(self, timeout: float = 1.0) -> bool:
        """Whether the program answers a ping within `timeout` seconds."""
        with (
            Celery("ping", broker=self.broker_url, set_as_current=False) as client,
            client.connection_for_write() as connection,
        ):
            ping = client.control.ping
            return bool(ping(destination=[self.hostname], timeout=timeout, limit=1, connection=connection))


class Worker(ControlledProgram):
    """A worker, by default with Celery's default pool."""

    def __init__(
        self,
        directory: Path,
        settings: Mapping[str, str],
        *,
        name: str = "worker",
        pool: str = "prefork",
        concurrency: int = 2,
        arguments: tuple[str, ...] = (),
    ) -> None:
        """Prepare a worker.

        Args:
            directory: Its own, for its log.
            settings: The project's environment variables, `DATA_DIR` among them.
            name: The part of its host name before the @; the part after it is the name of its directory.
            pool: prefork, threads or solo.
            concurrency: How many tasks it runs at once.
            arguments: More of the command line.
        """
        self.hostname = f"{name}@{directory.name}"
        self.ready_line = f"{self.hostname} ready."
        options = ["--hostname", self.hostname, "--pool", pool, "--concurrency", str(concurrency), "--loglevel", "INFO"]
        super().__init__("worker", [*options, *arguments], directory, settings)


class Beat(ControlledProgram):
    """Beat; its schedule is in the data folder, as the project has it."""

    ready_line = "beat pidbox: Connected to"

    def __init__(self, directory: Path, settings: Mapping[str, str], *, arguments: tuple[str, ...] = ()) -> None:
        self.hostname = f"celerybeat@{socket.gethostname()}"
        super().__init__("beat", ["--loglevel", "INFO", *arguments], directory, settings)


class Flower(CeleryProgram):
    """Flower on a loopback port; ready when its health check answers."""

    def __init__(self, directory: Path, settings: Mapping[str, str], *, arguments: tuple[str, ...] = ()) -> None:
        (port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        super().__init__("flower", ["--address=127.0.0.1", f"--port={port}", *arguments], directory, settings)

    def is_ready(self) -> bool:
        try:
            return requests.get(f"{self.url}/healthcheck", timeout=1).ok
        except requests.RequestException:
            return False
