"""Sending with a limit: nobody who has no time waits for a broker or a result store that does not answer."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery, chain, chord, group
from celery.canvas import Signature

from app.queues import DEFAULT_QUEUE
from app.sending import BrokerAway, send_within
from tasks.arithmetic import add, xsum
from tests.services.rabbitmq import RabbitMQ, VirtualHost
from tests.services.setup import ProjectSetup
from tests.services.valkey import Valkey
from tests.waiting import wait_until

LIMIT = 30
SECONDS = 1.0
OVERHEAD = 0.3
"""Seconds that a call may take beyond its limit, on a machine that has other work."""


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQ]:
    """A node that may be broken."""
    node = RabbitMQ(tmp_path_factory.mktemp("breakable"))
    try:
        yield node.start()
    finally:
        node.kill()


@pytest.fixture
def breakable(node: RabbitMQ) -> Iterator[VirtualHost]:
    with node.vhost() as vhost:
        yield vhost


@pytest.fixture
def results(tmp_path: Path) -> Iterator[Valkey]:
    """A result store that may be broken."""
    server = Valkey(tmp_path / "results")
    try:
        yield server.start()
    finally:
        server.kill()


@pytest.fixture
def app(breakable: VirtualHost, results: Valkey, tmp_path: Path) -> Iterator[Celery]:
    settings = {"CELERY_BROKER_URL": breakable.url, "CELERY_RESULT_BACKEND": results.url, "DATA_DIR": str(tmp_path)}
    with ProjectSetup.installed_app(os.environ | settings) as app:
        yield app


def refusal(signature: Signature[Any]) -> BrokerAway:
    """Why it could not be sent, which must have been said in time."""
    started = time.monotonic()
    with pytest.raises(BrokerAway) as caught:
        send_within(signature, SECONDS)
    assert time.monotonic() - started < SECONDS + OVERHEAD
    return caught.value


@pytest.mark.parametrize(
    "build",
    [
        lambda: add.s(1, 2),
        lambda: group(add.s(i, i) for i in range(3)),
        lambda: chain(add.s(1, 1), add.s(1)),
        lambda: chord([add.s(i, i) for i in range(3)], xsum.s()),
    ],
    ids=["task", "group", "chain", "chord"],
)
def test_whatever_can_be_sent_can_be_sent_with_a_limit(celery_setup: Any, build: Callable[[], Signature[Any]]) -> None:
    """In each way to run the project; the result comes to who sent it, under the id that the signature has."""
    signature = build()
    if isinstance(signature, chord) and celery_setup.app.conf.result_backend == "rpc://":
        with pytest.raises(NotImplementedError, match="chord"):
            send_within(signature, LIMIT)
        return
    result = send_within(signature, LIMIT)
    assert result.id == (signature.body.id if isinstance(signature, chord) else signature.id)
    assert result.get(timeout=LIMIT)
    assert send_within(add.s(2, 2), LIMIT).get(timeout=LIMIT) == 4


@pytest.mark.parametrize("warm", [True, False], ids=["connected-before", "not-connected"])
def test_a_frozen_broker_is_not_waited_for(app: Celery, node: RabbitMQ, breakable: VirtualHost, warm: bool) -> None:
    """Who was connected cannot know whether the message has arrived, and is told so; it arrives at most once."""
    if warm:
        send_within(add.s(1, 1), LIMIT)
    node.send_signal(signal.SIGSTOP)
    try:
        refused = refusal(add.s(1, 1))
        again = refusal(add.s(1, 1))
    finally:
        node.send_signal(signal.SIGCONT)
    assert refused.maybe_sent is warm
    assert ("may have arrived" if warm else "nothing was sent") in str(refused)
    assert not again.maybe_sent
    send_within(add.s(1, 1), LIMIT)
    wait_until(lambda: breakable.message_count(DEFAULT_QUEUE) >= 1 + warm, LIMIT, "what was sent has arrived")
    assert breakable.message_count(DEFAULT_QUEUE) <= 1 + 2 * warm


def test_a_broker_that_is_down_is_refused_in_a_sentence_and_used_again_when_it_is_back(
    app: Celery, node: RabbitMQ, breakable: VirtualHost
) -> None:
    """The connections that were kept, before and while it was down, are found to be dead, and a new one is made."""
    send_within(add.s(1, 1), LIMIT)
    wait_until(lambda: breakable.is_kept(DEFAULT_QUEUE), LIMIT, "the queue outlives a kill")
    node.kill()
    refused = refusal(chord([add.s(1, 1)], xsum.s()))
    assert str(refused).startswith("The task could not be handed to the broker at amqp://guest:**@127.0.0.1:")
    node.start()
    send_within(add.s(1, 1), LIMIT)
    wait_until(lambda: breakable.message_count(DEFAULT_QUEUE) == 2, LIMIT, "both messages are in the queue")


def test_a_queue_that_was_deleted_is_declared_anew(app: Celery, node: RabbitMQ, breakable: VirtualHost) -> None:
    """The broker returns the message, and it is sent once more over a connection that declares all it needs."""
    send_within(add.s(1, 1), LIMIT)
    node.api("DELETE", f"queues/{breakable.name}/{DEFAULT_QUEUE}").raise_for_status()
    send_within(add.s(1, 1), LIMIT)
    wait_until(lambda: breakable.message_count(DEFAULT_QUEUE) == 1, LIMIT, "the message is in the new queue")


@pytest.mark.parametrize("away", ["down", "frozen"])
def test_a_result_store_that_is_away_is_not_waited_for_either(
    app: Celery, breakable: VirtualHost, results: Valkey, away: str
) -> None:
    """A chord, which is prepared there before anything is sent, is refused; a task and a group need no store."""
    if away == "down":
        results.kill()
    else:
        results.send_signal(signal.SIGSTOP)
    assert not refusal(chord([add.s(1, 1)], xsum.s())).maybe_sent
    send_within(add.s(1, 1), SECONDS)
    send_within(group(add.s(i, i) for i in range(3)), SECONDS)
    wait_until(lambda: breakable.message_count(DEFAULT_QUEUE) == 4, LIMIT, "what was sent has arrived")


def test_a_wrong_call_is_an_error_of_its_own(app: Celery) -> None:
    """It has nothing to do with the broker."""
    with pytest.raises(TypeError):
        send_within(add.s(1), LIMIT)
