"""Sentences: what the broker says, in words, and URLs without secrets."""

import pytest

from app.messaging.errors import DeclarationDiffers, masked


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("amqp://user:secret@host:5672/vhost?heartbeat=1", "amqp://user:***@host:5672/vhost"),
        ("amqp://user:se:c@ret@host//", "amqp://user:***@host//"),
        ("amqp://host", "amqp://host"),
        ("amqp://:secret@host/", "amqp://:***@host/"),
        ("amqp://user:secret@[::1/", "(a URL that cannot be read)"),
        ("amqp://user:secret@host:port/", "(a URL that cannot be read)"),
        ("amqp://host/?password=secret", "amqp://host/"),
    ],
)
def test_password_is_masked(url: str, shown: str) -> None:
    """Whatever a URL looks like, what is shown of it holds no secret."""
    assert masked(url) == shown


@pytest.mark.parametrize(
    ("reply", "sentence"),
    [
        pytest.param(
            "PRECONDITION_FAILED - inequivalent arg 'durable' for queue 'hello' in vhost '/': "
            "received 'true' but current is 'false'",
            "The queue 'hello' exists with durable false, and true was asked for: "
            "ask for the same, take another name, or delete the queue.",
            id="durable",
        ),
        pytest.param(
            "PRECONDITION_FAILED - inequivalent arg 'x-message-ttl' for queue 'q' in vhost '/': "
            "received none but current is the value '1000' of type 'signedint'",
            "The queue 'q' exists with x-message-ttl 1000, and none was asked for: "
            "ask for the same, take another name, or delete the queue.",
            id="argument",
        ),
        pytest.param("something new", "RabbitMQ refuses the declaration: something new.", id="unknown"),
    ],
)
def test_difference_is_a_sentence(reply: str, sentence: str) -> None:
    """RabbitMQ's text becomes one that says what there is, what was asked for, and what to do."""
    assert str(DeclarationDiffers.from_reply(reply)) == sentence
