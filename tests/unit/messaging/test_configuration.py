"""Configurations: what is refused, and what they show of themselves."""

from typing import Any

import pytest

from app.messaging.configuration import LoggerConfig, RpcClientConfig, WorkerClientConfig, WorkerConfig
from app.messaging.errors import ConfigurationError

URL = "amqp://user:secret@host/"


@pytest.mark.parametrize(
    ("make", "rule"),
    [
        pytest.param(lambda: WorkerConfig(URL, "q", 0), "capacity lies between 1 and 65535", id="no capacity"),
        pytest.param(lambda: WorkerConfig(URL, "q", 65_536), "capacity lies between", id="too much capacity"),
        pytest.param(lambda: WorkerConfig(URL, ""), "queue_name has 1 to 255 bytes", id="no queue"),
        pytest.param(lambda: WorkerConfig(URL, "я" * 125), "queue_name is too long", id="no room for the retry queue"),
        pytest.param(lambda: WorkerClientConfig(URL, "amq.q"), "queue_name cannot begin", id="RabbitMQ's own queue"),
        pytest.param(lambda: WorkerConfig(URL, "q", retry_delays=(-1,)), "retry_delays lie", id="negative delay"),
        pytest.param(lambda: WorkerConfig(URL, "q", retry_delays=(float("nan"),)), "retry_delays lie", id="NaN delay"),
        pytest.param(lambda: WorkerClientConfig(URL, "q", timeout=0), "timeout is a number", id="no time"),
        pytest.param(lambda: RpcClientConfig(URL, "q", 0), "timeout lies above 0 s", id="no time for a call"),
        pytest.param(lambda: LoggerConfig(URL, ""), "name has 1 to 255 bytes", id="no bus"),
    ],
)
def test_unusable_value_is_refused(make: Any, rule: str) -> None:
    """A wrong value is a sentence at once, not an error of the protocol later."""
    with pytest.raises(ConfigurationError, match=f"^The configuration cannot be used: {rule}"):
        make()


@pytest.mark.parametrize("make", [WorkerConfig, WorkerClientConfig, LoggerConfig, RpcClientConfig])
def test_configuration_does_not_show_the_password(make: Any) -> None:
    """A configuration that ends up in a log tells nothing about the URL."""
    assert "secret" not in repr(make(URL, "name"))
