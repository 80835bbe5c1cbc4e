"""Fixtures that every test may ask for: the real services, each started once per run when it is first needed."""

import os
from collections.abc import Iterator

import pytest

from tests.services.rabbitmq import RabbitMQ, VirtualHost, server_script
from tests.services.valkey import Valkey

WITHOUT_RABBITMQ = (
    "Not tested, for want of a RabbitMQ server: install rabbitmq-server "
    "(apt install rabbitmq-server, brew install rabbitmq); it need not run."
)


@pytest.fixture(scope="session")
def rabbitmq(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQ]:
    """The node of this run; do not break it, start one of your own for that. Take a `vhost` for each test."""
    if server_script() is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(WITHOUT_RABBITMQ)
    node = RabbitMQ(tmp_path_factory.mktemp("rabbitmq"))
    try:
        yield node.start()
    finally:
        node.kill()  # nothing in it is wanted any more, and an orderly stop takes seconds


@pytest.fixture
def vhost(rabbitmq: RabbitMQ) -> Iterator[VirtualHost]:
    """An empty virtual host of the node of this run."""
    with rabbitmq.vhost() as vhost:
        yield vhost


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """The Valkey server of this run; do not break it, start one of your own for that."""
    with Valkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server
