"""Messages on the embedded broker: each is taken once, and comes back when whoever took it is gone."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from kombu import Connection, Exchange, Queue

from app import embedded
from app.embedded import transport
from tests.services.embedded import client, processes
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(30)

PROJECT = Path(__file__).parents[2]
LIMIT = 10.0
TAKE_ONE = """
import sys
from pathlib import Path
from celery import Celery
from kombu import Connection, Queue
from app import embedded

embedded.install(Celery(set_as_current=False), Path(sys.argv[1]))
with Connection(embedded.url(Path(sys.argv[1]))) as connection:
    with connection.Consumer(Queue("work"), callbacks=[lambda body, message: print(body, flush=True)]):
        connection.drain_events()
        sys.stdin.read()
"""


@pytest.fixture
def data_dir(tmp_path: Path) -> Iterator[Path]:
    """A data folder whose broker must be gone after the test."""
    folder = tmp_path / "var"
    embedded.install(Celery(set_as_current=False), folder)
    yield folder
    embedded.leave(folder)
    wait_until(lambda: not processes(folder), LIMIT, "no process of the broker is left")


def send(connection: Connection, *bodies: str, queue: str = "work", **options: Any) -> None:
    with connection.Producer() as producer:
        for body in bodies:
            producer.publish(body, routing_key=queue, declare=[Queue(queue)], **options)


@contextlib.contextmanager
def receiving(connection: Connection, *queues: str, **options: Any) -> Iterator[list[Any]]:
    """Consume from `queues` inside the block; the list has the messages that `drain` has received."""
    messages: list[Any] = []
    with connection.Consumer([Queue(queue) for queue in queues], on_message=messages.append, **options):
        yield messages


def drain(connection: Connection, seconds: float = 0.1) -> bool:
    """Receive one message if one comes within `seconds`."""
    with contextlib.suppress(TimeoutError):
        connection.drain_events(timeout=seconds)
        return True
    return False


def records(data_dir: Path) -> list[int]:
    """How many unacknowledged messages the broker's three records of them have."""
    with contextlib.closing(client(data_dir)) as server:
        return [server.hlen("unacked"), server.zcard("unacked_index"), server.hlen(transport.OWNERS)]


def test_messages_come_once_and_in_order(data_dir: Path) -> None:
    """A queue gives its messages in the order in which they were sent, each to one of its consumers."""
    with Connection(embedded.url(data_dir)) as one, Connection(embedded.url(data_dir)) as other:
        send(one, *"abcdef")
        with receiving(one, "work") as first, receiving(other, "work") as second:
            for connection in (one, one, other, one, other, other):
                assert drain(connection, LIMIT)
            assert not drain(one)
            assert not drain(other)
        assert [message.payload for message in first] == ["a", "b", "d"]
        assert [message.payload for message in second] == ["c", "e", "f"]


def test_a_message_that_is_taken_is_noted_once(data_dir: Path) -> None:
    """By the script that takes it: kombu's own note would be two more commands for each message."""
    with Connection(embedded.url(data_dir)) as connection:
        send(connection, *"abc")
        with contextlib.closing(client(data_dir)) as server, receiving(connection, "work") as messages:
            server.config_resetstat()
            while drain(connection):
                pass
            assert (len(messages), records(data_dir)) == (3, [3, 3, 3])
            assert server.info("commandstats")["cmdstat_zadd"]["calls"] == 3
            for message in messages:
                message.ack()
            assert records(data_dir) == [0, 0, 0]


def test_a_message_that_is_asked_for_is_noted_too(data_dir: Path) -> None:
    """No script takes it, so kombu's own note is the only one, and goes with the acknowledgement."""
    with Connection(embedded.url(data_dir)) as connection:
        send(connection, "a")
        message = Queue("work")(connection.default_channel).get()
        assert records(data_dir)[:2] == [1, 1]
        message.ack()
        assert records(data_dir)[:2] == [0, 0]


def test_a_message_that_comes_later_is_waited_for(data_dir: Path) -> None:
    """A consumer of several queues gets what comes into any of them, at any priority."""
    with Connection(embedded.url(data_dir)) as connection, receiving(connection, "work", "more") as messages:
        for queue, priority in [("work", 0), ("more", 0), ("work", 9), ("more", 9)]:
            assert not drain(connection)
            send(connection, f"{queue} {priority}", queue=queue, priority=priority)
            assert drain(connection, LIMIT)
        assert [message.payload for message in messages] == ["work 0", "more 0", "work 9", "more 9"]


def test_an_acknowledged_message_leaves_no_record(data_dir: Path) -> None:
    """While a message is at work the broker knows it, and forgets it with the acknowledgement."""
    with Connection(embedded.url(data_dir)) as connection, receiving(connection, "work") as messages:
        send(connection, "a")
        drain(connection, LIMIT)
        assert records(data_dir) == [1, 1, 1]
        messages[0].ack()
        assert records(data_dir) == [0, 0, 0]


def test_a_message_that_needs_no_acknowledgement_leaves_no_record(data_dir: Path) -> None:
    """Replies to remote control commands and the like are gone when they are received."""
    with Connection(embedded.url(data_dir)) as connection, receiving(connection, "work", no_ack=True) as messages:
        send(connection, "a")
        drain(connection, LIMIT)
        assert messages[0].payload == "a"
        assert records(data_dir) == [0, 0, 0]


def test_a_message_that_is_given_back_comes_again(data_dir: Path) -> None:
    """A consumer may refuse a message, which then goes back to its queue."""
    with Connection(embedded.url(data_dir)) as connection, receiving(connection, "work") as messages:
        send(connection, "a")
        drain(connection, LIMIT)
        messages[0].requeue()
        drain(connection, LIMIT)
        assert [message.payload for message in messages] == ["a", "a"]


def test_a_message_of_a_killed_consumer_comes_back(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a consumer had taken when it was killed goes to the next one, marked as redelivered, without a time-out."""
    monkeypatch.setattr(transport, "ABANDONED_INTERVAL", 0.0)
    with Connection(embedded.url(data_dir)) as connection:
        send(connection, "a")
        command = [sys.executable, "-c", TAKE_ONE, str(data_dir)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=PROJECT) as consumer:
            assert consumer.stdout
            assert consumer.stdout.readline() == b"a\n"
            consumer.kill()
        with receiving(connection, "work") as messages:
            wait_until(lambda: drain(connection), LIMIT, "the message comes again")
        assert messages[0].payload == "a"
        assert messages[0].headers["redelivered"]


def test_a_message_that_was_taken_and_never_arrived_comes_back(data_dir: Path) -> None:
    """A consumer may be killed, or its server, before it has seen what it was given."""
    with Connection(embedded.url(data_dir)) as connection:
        send(connection, "a")
        with contextlib.closing(client(data_dir)) as server:
            taken = server.eval(transport.TAKE, 4, "unacked", "unacked_index", transport.OWNERS, "work", 0, "nobody")
        assert taken
        with receiving(connection, "work") as messages:
            wait_until(lambda: drain(connection), LIMIT, "the message comes again")
        assert messages[0].payload == "a"


def test_a_message_of_a_living_consumer_stays_with_it(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody gets a message that somebody is working on, however long that takes."""
    monkeypatch.setattr(transport, "ABANDONED_INTERVAL", 0.0)
    with Connection(embedded.url(data_dir)) as one, Connection(embedded.url(data_dir)) as other:
        send(one, "a")
        with receiving(one, "work"), receiving(other, "work"):
            assert drain(one, LIMIT)
            assert not any(drain(other) for _ in range(10))
            assert records(data_dir) == [1, 1, 1]


def test_a_channel_closes_while_another_one_subscribes(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of a process's channels has its own subscriptions: one that ends is not disturbed by one that begins."""
    news = Exchange("news", type="fanout")
    with Connection(embedded.url(data_dir)) as one, Connection(embedded.url(data_dir)) as other:

        def delete_while_another_subscribes(channel: transport.Channel, queue: str, **options: Any) -> None:
            other.Consumer(Queue("others", news)).consume()
            delete(channel, queue, **options)

        delete = transport.Channel.queue_delete
        monkeypatch.setattr(transport.Channel, "queue_delete", delete_while_another_subscribes)
        one.Consumer(Queue("own", news, auto_delete=True)).consume()
        one.default_channel.close()
        with other.Producer() as producer:
            producer.publish("still heard", exchange=news)
        assert drain(other, LIMIT)
