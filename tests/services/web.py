"""The project's web front as a local process, started as a user starts it: `python -m app.web`."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import requests

from tests.services.celery import PROJECT
from tests.services.ports import free_ports
from tests.services.process import LocalProcess


class WebFront(LocalProcess):
    """The web front on a port of 127.0.0.1, which it keeps over restarts; ready when it serves its login form."""

    def __init__(self, directory: Path, settings: Mapping[str, str]) -> None:
        """Prepare it; `settings` are the project's environment variables, `DATA_DIR` among them."""
        (port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        super().__init__(
            [sys.executable, "-m", "app.web", "--host", "127.0.0.1", "--port", str(port)],
            directory,
            environment={**os.environ, "PYTHONUNBUFFERED": "1", **settings},
            working_directory=PROJECT,
            name="web",
        )

    def is_ready(self) -> bool:
        try:
            return requests.get(f"{self.url}/login", timeout=1).ok
        except requests.RequestException:
            return False
