"""Rows B1 to B4 with every sender and receiver as a process of its own, as a learner starts them."""

import signal
from pathlib import Path

import pytest

from tests.integration.messaging.programs import LIMIT, Role, run_role, send
from tests.services.rabbitmq import RabbitMQ, VirtualHost
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(180)  # each test starts up to a dozen programs


def test_messages_wait_for_a_receiver(vhost: VirtualHost, tmp_path: Path) -> None:
    """B1: what is sent while no receiver runs is there when one starts, in order."""
    send(vhost.url, "send", "--count", "3", "hello")
    with Role(tmp_path, vhost.url, "receive", "--seconds", "0") as receiver:
        assert receiver.wait_for(3) == [{"text": "hello", "number": number} for number in (1, 2, 3)]


def test_receivers_take_turns(vhost: VirtualHost, tmp_path: Path) -> None:
    """B1: two receivers get every other message."""
    roles = [Role(tmp_path, vhost.url, "receive", "--seconds", "0.3") for _ in range(2)]
    with roles[0] as first, roles[1] as second:
        send(vhost.url, "send", "--count", "6", "hello")
        wait_until(lambda: len(first.data() + second.data()) == 6, LIMIT, "six messages are handled")
        assert (len(first.data()), len(second.data())) == (3, 3)


def test_message_of_a_killed_receiver_goes_to_another(vhost: VirtualHost, tmp_path: Path) -> None:
    """B2: a receiver that is killed in the middle of a message does not take it along."""
    with Role(tmp_path, vhost.url, "receive", "--seconds", "60") as victim:
        send(vhost.url, "send", "hello")
        victim.wait_for(1, "received")
        with Role(tmp_path, vhost.url, "receive", "--seconds", "0") as other:
            victim.kill(signal.SIGKILL)
            assert other.wait_for(1) == [{"text": "hello"}]
            assert other.steps("received")[0]["note"] == "again"


def test_messages_survive_a_restart_of_the_broker(tmp_path: Path) -> None:
    """B3: what was confirmed is there after the broker was killed with -9."""
    with RabbitMQ(tmp_path / "node") as node:
        send(node.url, "send", "--count", "20", "hello")
        wait_until(lambda: node.is_kept("hello"), LIMIT, "the queue outlives a kill")
        node.kill()
        node.start()
        with Role(tmp_path, node.url, "receive", "--seconds", "0") as receiver:
            assert [data["number"] for data in receiver.wait_for(20)] == list(range(1, 21))


def test_slow_receiver_does_not_hoard(vhost: VirtualHost, tmp_path: Path) -> None:
    """B4: while a slow receiver has one message, the fast one gets all the others."""
    slow = Role(tmp_path, vhost.url, "receive", "--seconds", "60")
    fast = Role(tmp_path, vhost.url, "receive", "--seconds", "0")
    with slow:
        send(vhost.url, "send", "first")
        slow.wait_for(1, "received")
        with fast:
            send(vhost.url, "send", "--count", "9", "hello")
            fast.wait_for(9)
            assert len(slow.steps("received")) == 1
        slow.kill()


def test_receiver_finishes_its_message_on_sigterm(vhost: VirtualHost, tmp_path: Path) -> None:
    """B9: SIGTERM ends a receiver after the message that it handles, which is done once and for all."""
    receiver = Role(tmp_path, vhost.url, "receive", "--seconds", "5").start()
    send(vhost.url, "send", "--count", "3", "hello")
    receiver.wait_for(1, "received")
    receiver.stop()
    assert receiver.exit_code == 0
    assert receiver.data() == [{"text": "hello", "number": 1}]
    with Role(tmp_path, vhost.url, "receive", "--seconds", "0") as other:
        assert [data["number"] for data in other.wait_for(2)] == [2, 3]


def test_failing_receiver_gets_another_try(vhost: VirtualHost, tmp_path: Path) -> None:
    """A message that fails is delivered again, after a second at first."""
    with Role(tmp_path, vhost.url, "receive", "--fail", "--seconds", "0") as receiver:
        send(vhost.url, "send", "hello")
        receiver.wait_for(1, "retried")
        assert receiver.steps("retried")[0]["note"] == "this receiver fails on purpose; again in 1 s"
        receiver.wait_for(2, "received")
        assert receiver.steps("handled") == []


def test_differing_queue_is_a_sentence(vhost: VirtualHost) -> None:
    """A queue that exists with other properties ends the role with one sentence that names the difference."""
    send(vhost.url, "send", "hello")
    ended = run_role(vhost.url, "send", "--transient", "hello")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == (
        "The queue 'hello' exists with durable true, and false was asked for: "
        "ask for the same, take another name, or delete the queue.\n"
    )
