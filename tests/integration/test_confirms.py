"""A group is sent ahead of its confirmations, and nothing of it is lost without a word."""

import itertools
import os
import signal
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from amqp.exceptions import ChannelError
from amqp.transport import TCPTransport
from celery import Celery, group
from kombu import Producer
from kombu.exceptions import EncodeError, OperationalError

from app import confirms, writing
from app.queues import DEFAULT_QUEUE, EXCHANGE
from tasks.arithmetic import add
from tests.services.rabbitmq import RabbitMQ, VirtualHost
from tests.services.setup import ProjectSetup
from tests.waiting import wait_until

SIZE = confirms.WINDOW + 300
LIMIT = 40


@pytest.fixture
def node(tmp_path: Path) -> Iterator[RabbitMQ]:
    """A node of the test's own, to be broken."""
    with RabbitMQ(tmp_path / "node") as node:
        yield node


def at_message(
    monkeypatch: pytest.MonkeyPatch, number: int, happen: Callable[[], object], is_confirmed: bool = False
) -> None:
    """Let something happen once, when that message has been published, or has been confirmed with all before it."""
    published = itertools.count(1)
    wait = confirms.Channel.wait_for_confirms

    def counting(channel: confirms.Channel, *arguments: Any, **options: Any) -> None:
        if next(published) == number:
            if is_confirmed:
                wait(channel)
            happen()
        wait(channel, *arguments, **options)

    monkeypatch.setattr(confirms.Channel, "wait_for_confirms", counting)


def most_unconfirmed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The list to which the number of unconfirmed messages is added with each one that is published."""
    seen: list[int] = []
    wait = confirms.Channel.wait_for_confirms

    def noting(channel: confirms.Channel, *arguments: Any, **options: Any) -> None:
        seen.append(len(channel._unconfirmed))
        wait(channel, *arguments, **options)

    monkeypatch.setattr(confirms.Channel, "wait_for_confirms", noting)
    return seen


@pytest.mark.usefixtures("app")
def test_a_group_does_not_wait_for_each_confirmation(vhost: VirtualHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to a window of messages is unconfirmed at once; all are confirmed, and there, when the group is sent."""
    seen = most_unconfirmed(monkeypatch)
    group(add.s(i, i) for i in range(SIZE)).apply_async()
    assert 2 < max(seen) <= confirms.WINDOW + 1
    wait_until(lambda: vhost.message_count(DEFAULT_QUEUE) == SIZE, LIMIT, "every message has arrived")


@pytest.mark.usefixtures("app")
def test_a_queue_is_declared_once_on_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or kombu would look it up for every message, by a copy of it."""
    declared: list[str] = []
    declare = Producer.maybe_declare

    def watching(producer: Producer, entity: Any, *arguments: Any, **options: Any) -> Any:
        declared.append(entity.name)
        return declare(producer, entity, *arguments, **options)

    monkeypatch.setattr(Producer, "maybe_declare", watching)
    for _ in range(2):
        group(add.s(i, i) for i in range(20)).apply_async()
    add.delay(0, 0)
    assert declared == [DEFAULT_QUEUE]


@pytest.mark.usefixtures("app")
def test_a_single_task_is_confirmed_when_delay_returns(vhost: VirtualHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever sends one task at a time has never more than one that is not confirmed."""
    seen = most_unconfirmed(monkeypatch)
    for i in range(5):
        add.delay(i, i)
    assert max(seen) == 1
    wait_until(lambda: vhost.message_count(DEFAULT_QUEUE) == 5, LIMIT, "every message has arrived")


@pytest.mark.timeout(120)
def test_what_a_killed_broker_left_unconfirmed_is_sent_again(
    node: RabbitMQ, settings: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker is killed in the middle of a group and comes back: every task is there, few of them twice."""
    returning: list[threading.Thread] = []

    def kill() -> None:
        node.kill()
        returning.append(threading.Thread(target=node.start))
        returning[0].start()

    with (
        node.vhost() as vhost,
        ProjectSetup.installed_app(os.environ | settings | {"CELERY_BROKER_URL": vhost.url}),
    ):
        add.delay(0, 0)
        wait_until(lambda: vhost.is_kept(DEFAULT_QUEUE), LIMIT, "the queue outlives a kill")
        # So that it does not have those that are sent from then on: few enough for its sockets, since py-amqp gives up
        # a connection to which nothing could be written for a second.
        at_message(monkeypatch, SIZE // 4, partial(node.send_signal, signal.SIGSTOP))
        at_message(monkeypatch, SIZE // 4 + 50, kill)
        sent = group(add.s(i, i) for i in range(SIZE)).apply_async()
        returning[0].join()
        wait_until(lambda: vhost.message_count(DEFAULT_QUEUE) > SIZE, LIMIT, "every message has arrived")
        there = [message["properties"]["correlation_id"] for message in vhost.messages(DEFAULT_QUEUE, 5 * SIZE)]  # type: ignore[index]
    assert {result.id for result in sent.results} <= set(there)
    assert len(there) <= SIZE + 1 + confirms.WINDOW + 1


@pytest.mark.timeout(120)
@pytest.mark.parametrize("size", [1, 10])
def test_what_follows_from_a_task_is_sent_again_too(
    node: RabbitMQ, settings: dict[str, str], monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """A broker that is killed before it has confirmed the body of a chord, and comes back, has not failed the chord."""
    returning = threading.Thread(target=node.start)

    def kill() -> None:
        node.kill()
        returning.start()

    with (
        node.vhost() as vhost,
        ProjectSetup.installed_app(os.environ | settings | {"CELERY_BROKER_URL": vhost.url}) as app,
    ):
        add.delay(0, 0)
        wait_until(lambda: vhost.is_kept(DEFAULT_QUEUE), LIMIT, "the queue outlives a kill")
        node.send_signal(signal.SIGSTOP)  # so that it does not have what is sent from now on
        at_message(monkeypatch, size + 1, kill)  # when all is sent, and to be confirmed
        body: Any = group(add.s(i, i) for i in range(size)) if size > 1 else add.s(1, 1)
        app.amqp._retry_publish(body.delay)  # as the last part of a chord does
        returning.join()
        wait_until(lambda: vhost.message_count(DEFAULT_QUEUE) == size + 1, LIMIT, "every message has arrived")


@pytest.mark.usefixtures("app")
def test_a_queue_that_goes_away_is_an_error_of_the_group(vhost: VirtualHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """RabbitMQ gives back what it cannot route; then the next task is sent as if nothing had been."""
    add.delay(0, 0)
    path = f"queues/{vhost.name}/{DEFAULT_QUEUE}"
    at_message(monkeypatch, SIZE // 2, lambda: vhost.node.api("DELETE", path).raise_for_status())
    with pytest.raises(ChannelError, match="NO_ROUTE"):
        group(add.s(i, i) for i in range(SIZE)).apply_async()
    add.delay(1, 1)
    wait_until(lambda: vhost.message_count(DEFAULT_QUEUE) == 1, LIMIT, "the next message has arrived")


def test_what_the_broker_refuses_is_an_error_of_the_group(
    app: Celery, vhost: VirtualHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A queue that is full refuses messages: they are tried again, and their sender is told in the end."""
    add.delay(0, 0)
    policy = {"pattern": f"^{DEFAULT_QUEUE}$", "definition": {"max-length": 10}, "apply-to": "queues"}
    vhost.node.api("PUT", f"policies/{vhost.name}/full", policy).raise_for_status()
    app.conf.task_publish_retry_policy = {"max_retries": 1, "interval_start": 0.1}
    with pytest.raises(OperationalError):
        group(add.s(i, i) for i in range(SIZE)).apply_async()


@pytest.mark.usefixtures("app")
def test_a_group_is_written_in_few_pieces(vhost: VirtualHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """The broker is not woken for each message."""
    written: list[int] = []
    write = TCPTransport.write

    def noting(transport: TCPTransport, frames: bytes) -> None:
        written.append(len(frames))
        write(transport, frames)

    add.delay(0, 0)
    monkeypatch.setattr(writing, "QUICKLY", LIMIT)  # a busy machine may take longer for a message
    monkeypatch.setattr(TCPTransport, "write", noting)
    group(add.s(i, i) for i in range(200)).apply_async()
    assert len(written) < 200 / 4
    wait_until(lambda: vhost.message_count(DEFAULT_QUEUE) == 1 + 200, LIMIT, "every message has arrived")


@pytest.mark.usefixtures("app")
def test_what_was_sent_before_an_error_in_a_group_leaves_at_once(vhost: VirtualHost) -> None:
    """Not with the next message, which may come much later."""
    with pytest.raises(EncodeError):
        group(add.s(1, 1), add.s(2, 2), add.s(3, object())).apply_async()
    wait_until(lambda: vhost.message_count(DEFAULT_QUEUE) == 2, LIMIT, "the messages before it have arrived")


@pytest.mark.usefixtures("app")
def test_an_exchange_that_goes_away_is_an_error_of_the_group(
    vhost: VirtualHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RabbitMQ closes the channel meanwhile: that is said, and the next task is sent and confirmed."""
    add.delay(0, 0)
    path = f"exchanges/{vhost.name}/{EXCHANGE}"
    # RabbitMQ deletes the routes first: a message that came between would be given back instead, with NO_ROUTE.
    at_message(monkeypatch, SIZE // 2, lambda: vhost.node.api("DELETE", path).raise_for_status(), is_confirmed=True)
    with pytest.raises(ChannelError, match="NOT_FOUND"):
        group(add.s(i, i) for i in range(SIZE)).apply_async()
    add.delay(1, 1)


def test_who_has_a_producer_may_wait_for_each_task(
    app: Celery, vhost: VirtualHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a group's messages wait for each other."""
    monkeypatch.setattr(writing, "QUICKLY", LIMIT)
    with app.producer_or_acquire() as producer:
        for sent in range(1, 4):
            add.apply_async((sent, sent), producer=producer)
            wait_until(lambda sent=sent: vhost.message_count(DEFAULT_QUEUE) == sent, LIMIT, "the message has arrived")
