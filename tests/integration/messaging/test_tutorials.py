"""Programs of others: what RabbitMQ's tutorials do with pika, and our roles, share exchanges and queues.

The declarations and the bodies are those of the tutorials (https://www.rabbitmq.com/tutorials), the code is ours.
"""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pika
import pytest

from tests.integration.messaging.programs import Role, run_role, send
from tests.services.rabbitmq import VirtualHost

pytestmark = pytest.mark.timeout(120)
QUORUM = {"x-queue-type": "quorum"}
INACTIVITY = 20.0


@pytest.fixture
def channel(vhost: VirtualHost) -> Iterator[Any]:
    """A blocking channel, as in each of the tutorials."""
    connection = pika.BlockingConnection(pika.URLParameters(vhost.url))
    yield connection.channel()
    connection.close()


def receive(channel: Any, queue: str, count: int) -> list[tuple[str, bytes]]:
    """The keys and bodies of the next messages."""
    found = []
    for method, _, body in channel.consume(queue, auto_ack=True, inactivity_timeout=INACTIVITY):
        assert method is not None, f"{count} messages come within {INACTIVITY} s of each other"
        found.append((method.routing_key, body))
        if len(found) == count:
            channel.cancel()
            return found
    raise AssertionError("the queue ended")


@pytest.mark.parametrize(
    ("exchange", "kind", "binding", "key"),
    [
        pytest.param("logs", "fanout", "", "", id="publish and subscribe"),
        pytest.param("direct_logs", "direct", "info", "info", id="routing"),
        pytest.param("topic_logs", "topic", "kern.*", "kern.critical", id="topics"),
    ],
)
def test_their_events_reach_ours_and_ours_theirs(
    vhost: VirtualHost, tmp_path: Path, channel: Any, exchange: str, kind: str, binding: str, key: str
) -> None:
    """A listener of ours gets the text that their program sends, and theirs gets what ours sends."""
    channel.exchange_declare(exchange=exchange, exchange_type=kind)
    queue = channel.queue_declare(queue="", exclusive=True).method.queue
    channel.queue_bind(exchange=exchange, queue=queue, routing_key=binding)
    words = [kind, "--exchange", exchange]
    with Role(tmp_path, vhost.url, "listen", *words, *filter(None, [binding])) as listener:
        channel.basic_publish(exchange=exchange, routing_key=key, body="Hello World!")
        send(vhost.url, "emit", *words, *filter(None, [key]), '{"from": "us"}')
        assert listener.wait_for(2) == ["Hello World!", {"from": "us"}]
    assert receive(channel, queue, 2) == [(key, b"Hello World!"), (key, b'{"from":"us"}')]


def test_their_levels_reach_the_class_logger(vhost: VirtualHost, tmp_path: Path, channel: Any) -> None:
    """The class Logger on their exchange hears their info."""
    channel.exchange_declare(exchange="direct_logs", exchange_type="direct")
    with Role(tmp_path, vhost.url, "logger", "--bus", "direct_logs") as logger:
        channel.basic_publish(exchange="direct_logs", routing_key="info", body="Hello World!")
        assert logger.wait_for(1) == ["Hello World!"]


@pytest.mark.parametrize("arguments", [QUORUM, None], ids=["quorum, as today", "classic, as before"])
@pytest.mark.parametrize("queue", ["hello", "task_queue"])
def test_their_receiver_takes_what_our_sender_puts(
    vhost: VirtualHost, channel: Any, queue: str, arguments: dict[str, str] | None
) -> None:
    """A durable queue that their program made is used as it is."""
    channel.queue_declare(queue=queue, durable=True, arguments=arguments)
    send(vhost.url, "send", "--queue", queue, "Hello")
    assert receive(channel, queue, 1) == [(queue, b'{"text":"Hello"}')]


def test_their_task_that_is_not_json_is_put_away(vhost: VirtualHost, tmp_path: Path, channel: Any) -> None:
    """Our receiver says that their text is not JSON, and keeps it."""
    channel.queue_declare(queue="hello", durable=True, arguments=QUORUM)
    channel.basic_publish(exchange="", routing_key="hello", body="Hello World!")
    with Role(tmp_path, vhost.url, "receive") as receiver:
        assert receiver.wait_for(1, "dead-lettered") == ["Hello World!"]


def test_their_transient_queue_needs_to_be_named_so(vhost: VirtualHost, channel: Any) -> None:
    """A queue that is not durable is a difference, said in a sentence; `--transient` agrees with it."""
    channel.queue_declare(queue="hello")
    refused = run_role(vhost.url, "send", "hello")
    assert refused.returncode == 1
    assert refused.stderr.startswith("The queue 'hello' exists with durable false, and true was asked for: ")
    send(vhost.url, "send", "--transient", "hello")
    assert receive(channel, "hello", 1) == [("hello", b'{"text":"hello"}')]


def test_their_client_calls_our_server(vhost: VirtualHost, tmp_path: Path, channel: Any) -> None:
    """The Fibonacci client gets a number as text, under the id that it sent."""
    with Role(tmp_path, vhost.url, "rpc-serve", "--quorum"):
        replies = channel.queue_declare(queue="", exclusive=True).method.queue
        properties = pika.BasicProperties(reply_to=replies, correlation_id="my-id")
        channel.basic_publish(exchange="", routing_key="rpc_queue", properties=properties, body="30")
        for _, reply, body in channel.consume(replies, auto_ack=True, inactivity_timeout=INACTIVITY):
            assert (reply.correlation_id, int(body)) == ("my-id", 832040)
            break


def test_our_client_calls_their_server(vhost: VirtualHost) -> None:
    """Our call is answered by a server that knows only numbers as text."""
    ready = threading.Event()

    def serve() -> None:
        connection = pika.BlockingConnection(pika.URLParameters(vhost.url))
        channel = connection.channel()
        channel.queue_declare(queue="rpc_queue", durable=True, arguments=QUORUM)
        ready.set()
        for method, request, body in channel.consume("rpc_queue", inactivity_timeout=INACTIVITY):
            reply = pika.BasicProperties(correlation_id=request.correlation_id)
            channel.basic_publish("", request.reply_to, str(int(body) * 2), reply)
            channel.basic_ack(method.delivery_tag)
            break
        connection.close()

    server = threading.Thread(target=serve)
    server.start()
    assert ready.wait(INACTIVITY)
    answered = run_role(vhost.url, "rpc-call", "21")
    server.join(INACTIVITY)
    assert (answered.returncode, answered.stdout.splitlines()[-1]) == (0, "rpc-call: received       42")
