"""The services of the tests themselves: each starts, is killed, comes back, and leaves nothing."""

from tests.services.rabbitmq import VirtualHost
from tests.services.valkey import Valkey


def test_vhost_is_empty(vhost: VirtualHost) -> None:
    """A fresh virtual host has no queue and only the exchanges that RabbitMQ declares."""
    assert vhost.queues() == {}
    assert {name.partition(".")[0] for name in vhost.exchanges()} == {"", "amq"}


def test_valkey_answers(valkey: Valkey) -> None:
    """The Valkey server of the run keeps a value."""
    with valkey.client() as client:
        client.set("key", "value")
        assert client.get("key") == "value"
