"""Workers, beat and Flower of the project as local processes, started as a user starts them: `celery -A app …`."""

import os
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
    """One program of Celery's command line, in the project's folder and with settings of its own."""

    def __init__(self, program: str, arguments: list[str], directory: Path, settings: Mapping[str, str]) -> None:
        command = [sys.executable, "-m", "celery", "-A", "app", program, *arguments]
        environment = dict(os.environ) | {"PYTHONUNBUFFERED": "1"} | dict(settings)
        super().__init__(command, directory, environment=environment, working_directory=PROJECT, name=program)
        self.settings = read_settings(environment)

    @property
    def broker_url(self) -> str:
        return self.settings.broker_url or embedded.url(self.settings.data_dir)


class Worker(CeleryProgram):
    """A worker; ready when it answers the remote control command `ping`."""

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
            settings: The environment variables of the project that it is to see, `DATA_DIR` among them.
            name: The part of its node name before the @; the part after it is the name of its directory.
            pool: prefork, threads or solo.
            concurrency: How many tasks it runs at once.
            arguments: More of the command line.
        """
        self.hostname = f"{name}@{directory.name}"
        command_line = ["--hostname", self.hostname, "--pool", pool, "--concurrency", str(concurrency)]
        super().__init__("worker", [*command_line, "--loglevel", "INFO", *arguments], directory, settings)

    def is_ready(self) -> bool:
        # Nobody can answer before the log says so, and a ping that nobody answers takes its whole time-out.
        return f"{self.hostname} ready." in self.log_of_this_start() and self.answers()

    def answers(self, timeout: float = 1.0) -> bool:
        """Whether the worker answers a ping within `timeout` seconds."""
        with (
            Celery("ping", broker=self.broker_url, set_as_current=False) as client,
            client.connection_for_write() as connection,
        ):
            ping = client.control.ping
            return bool(ping(destination=[self.hostname], timeout=timeout, limit=1, connection=connection))


class Beat(CeleryProgram):
    """Beat with a schedule file of its own; ready when it has begun to look at the clock."""

    def __init__(self, directory: Path, settings: Mapping[str, str], *, arguments: tuple[str, ...] = ()) -> None:
        own_files = ["--schedule", str(directory / "beat-schedule"), "--pidfile", ""]
        super().__init__("beat", [*own_files, "--loglevel", "INFO", *arguments], directory, settings)

    def is_ready(self) -> bool:
        return "beat: Starting..." in self.log_of_this_start()


class Flower(CeleryProgram):
    """Flower on a loopback port; ready when its health check answers."""

    def __init__(self, directory: Path, settings: Mapping[str, str], *, arguments: tuple[str, ...] = ()) -> None:
        (port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        own_address = ["--address=127.0.0.1", f"--port={port}"]
        super().__init__("flower", [*own_address, *arguments], directory, settings)

    def is_ready(self) -> bool:
        try:
            return requests.get(f"{self.url}/healthcheck", timeout=1).ok
        except requests.RequestException:
            return False
