"""The application on RabbitMQ and Valkey, in the test's own process."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from celery import Celery

from tests.services.rabbitmq import VirtualHost
from tests.services.setup import ProjectSetup
from tests.services.valkey import Valkey


@pytest.fixture
def settings(vhost: VirtualHost, valkey: Valkey, tmp_path: Path) -> dict[str, str]:
    """The environment variables of a test's application and of its workers; a test module may have its own."""
    return {"CELERY_BROKER_URL": vhost.url, "CELERY_RESULT_BACKEND": valkey.url, "DATA_DIR": str(tmp_path / "data")}


@pytest.fixture
def app(settings: dict[str, str]) -> Iterator[Celery]:
    """The application with these settings, in the place of the process's own."""
    with ProjectSetup.installed_app(os.environ | settings) as app:
        yield app
        app.backend.client.flushdb()  # a chord that did not end is no business of the next test
