"""The way of each message, put together from what the roles tell."""

from app.experiments.journey import Delivery, journeys
from app.experiments.trace import Told
from app.messaging.roles.steps import Step

HELLO = {"text": "hello"}


def in_queue(who: str, action: object, data: object = HELLO, note: str = "") -> Told:
    return Told(who, Step(action, routing_key="q", queue="q", data=data, note=note))  # type: ignore[arg-type]


def at_exchange(who: str, action: object, key: str) -> Told:
    return Told(who, Step(action, "x", key, data=HELLO))  # type: ignore[arg-type]


def test_a_delivery_may_be_told_before_the_sending() -> None:
    """Each role has a pipe of its own, and the receiver's may be read first."""
    (message,) = journeys([in_queue("b", "received"), in_queue("b", "handled"), in_queue("a", "sent")])
    assert (message.sender, message.deliveries) == ("a", [Delivery("b", "handled", "")])


def test_each_listener_has_its_copy() -> None:
    """Two deliveries of one event, and none of the one with another key."""
    info, debug = journeys(
        [
            at_exchange("a", "sent", "info"),
            at_exchange("a", "returned", "debug"),
            at_exchange("b", "handled", "info"),
            at_exchange("c", "handled", "info"),
        ]
    )
    assert [delivery.who for delivery in info.deliveries] == ["b", "c"]
    assert (debug.returned, debug.deliveries) == (True, [])


def test_equal_messages_are_handed_out_one_by_one() -> None:
    """A receiver that gets the same text twice has two messages."""
    steps = [in_queue("a", "sent")] * 2 + [in_queue("b", "received"), in_queue("b", "handled")] * 2
    assert [len(message.deliveries) for message in journeys(steps)] == [1, 1]


def test_a_killed_receiver_leaves_its_message_to_another() -> None:
    """The message has two deliveries: one failed, one handled."""
    killed = Told("b", Step("failed", note="killed"))
    steps = [in_queue("a", "sent"), in_queue("b", "received"), killed]
    steps += [in_queue("c", "received", note="again"), in_queue("c", "handled")]
    (message,) = journeys(steps)
    assert message.deliveries == [Delivery("b", "failed", "killed"), Delivery("c", "handled", "")]


def test_a_call_has_its_answer() -> None:
    """The server is asked, and what it says comes back to the caller."""
    ask = Told("caller", Step("waiting", queue="q", data=30))
    steps = [ask, in_queue("server", "received", 30), Told("server", Step("handled", queue="q", data=832040))]
    (message,) = journeys([*steps, Told("caller", Step("received", data=832040))])
    assert (message.answer, message.deliveries) == ("832040", [Delivery("server", "handled", "")])


def test_a_failed_call_has_failed_at_the_server() -> None:
    """The server tells nothing of it; the caller gets the reason."""
    ask = Told("caller", Step("waiting", queue="q", data=-1))
    (message,) = journeys([ask, in_queue("server", "received", -1), Told("caller", Step("failed", note="no"))])
    assert (message.answer, message.deliveries) == ("no", [Delivery("server", "failed", "")])


def test_a_task_is_known_by_its_id() -> None:
    """A worker tells the data of a task alone, and its id."""
    task = {"task_id": "1", "model_type": "regression", "data": {"a": 1}}
    handled = Step("handled", "ml", "regression", "queue_regression", "1", {"a": 1}, note="line")
    (message,) = journeys([Told("a", Step("sent", "ml", "regression", data=task)), Told("b", handled)])
    assert message.deliveries == [Delivery("b", "handled", "line")]
