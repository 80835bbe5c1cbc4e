"""The roles of `python -m app.messaging` as processes, and waiting for what they tell."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.services.process import LocalProcess
from tests.waiting import wait_until

ROOT = Path(__file__).parents[3]
LIMIT = 30.0
"""Seconds that anything here may take on a machine with other things to do."""


def environment(url: str) -> dict[str, str]:
    """The variables for a program that works on the RabbitMQ at `url`."""
    return os.environ | {"RABBITMQ_URL": url, "PYTHONPATH": str(ROOT)}


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "app.messaging", *words]


def run_role(url: str, *words: str, directory: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run a role that ends by itself."""
    return subprocess.run(
        command(*words),
        env=environment(url),
        cwd=directory,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )


def send(url: str, *words: str) -> None:
    """Play a role that must end well."""
    ended = run_role(url, *words)
    assert ended.returncode == 0, ended.stderr


class Role(LocalProcess):
    """A role that waits for messages; ready when it says so."""

    start_timeout = LIMIT
    stop_timeout = LIMIT

    def __init__(self, directory: Path, url: str, *words: str) -> None:
        super().__init__(
            command(*words, "--json"), directory, environment=environment(url), name=f"{words[0]}-{id(self)}"
        )

    def is_ready(self) -> bool:
        return bool(self.steps("waiting"))

    def steps(self, action: str) -> list[dict[str, Any]]:
        """The steps of this kind that it has told so far."""
        lines = [line for line in self.log_of_this_start().splitlines() if line.startswith("{") and line.endswith("}")]
        return [step for step in map(json.loads, lines) if step["action"] == action]

    def data(self, action: str = "handled") -> list[Any]:
        """What the messages of those steps carried."""
        return [step["data"] for step in self.steps(action)]

    def wait_for(self, count: int, action: str = "handled") -> list[Any]:
        """Wait until it has told `count` such steps, and return what their messages carried."""
        wait_until(lambda: len(self.steps(action)) >= count, LIMIT, f"{self.name} has told {count} times {action}")
        return self.data(action)


async def eventually(predicate: Callable[[], object], description: str, limit: float = LIMIT) -> None:
    """Wait for `predicate` without holding up the event loop; fails as `wait_until` does."""
    await asyncio.to_thread(wait_until, predicate, limit, description)
