"""The way of each message: who sent it, where it went, and what became of each copy of it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from app.experiments.trace import Told, text
from app.messaging.roles.steps import Action, Step

SENDING = ("sent", "returned")


@dataclass(slots=True)
class Delivery:
    """One copy of a message in the hands of a role."""

    who: str
    action: Action
    note: str


@dataclass(slots=True)
class Message:
    """A message, as it was sent."""

    sender: str
    step: Step
    deliveries: list[Delivery] = field(default_factory=list)
    answer: str = ""
    """What came back to a caller."""

    @property
    def returned(self) -> bool:
        """Whether no queue took it, so that the sender got it back."""
        return self.step.action == "returned"


def journeys(told: Iterable[Told]) -> list[Message]:
    """Each message with its deliveries, in the order of sending.

    Roles tell their steps through pipes of their own, so a delivery may be told before the sending.
    """
    steps = list(told)
    messages = [Message(each.who, each.step) for each in steps if _is_sending(each.step)]
    for each in steps:
        if not _is_sending(each.step) and each.step.action != "waiting":
            _apply(each, messages)
    return messages


def _is_sending(step: Step) -> bool:
    return step.action in SENDING or (step.action == "waiting" and step.data is not None)


def _apply(told: Told, messages: list[Message]) -> None:
    who, step = told.who, told.step
    if asked := [message for message in messages if message.sender == who and message.step.action == "waiting"]:
        _answer(asked[-1], step)
    elif step.action != "received" and (open_one := _in_hand(who, step, messages)):
        open_one.action, open_one.note = step.action, step.note
    elif message := _addressed(who, step, messages):
        message.deliveries.append(Delivery(who, step.action, step.note))


def _answer(message: Message, step: Step) -> None:
    message.answer = step.note or text(step.data)
    for delivery in message.deliveries:
        if delivery.action == "received":
            delivery.action = step.action


def _in_hand(who: str, step: Step, messages: list[Message]) -> Delivery | None:
    """What `who` received and has not finished: the same message if there is one, else the oldest."""
    received = [
        (message, delivery)
        for message in messages
        for delivery in message.deliveries
        if delivery.who == who and delivery.action == "received"
    ]
    same = (delivery for message, delivery in received if _same(message.step, step))
    return next(same, received[0][1] if received else None)


def _addressed(who: str, step: Step, messages: list[Message]) -> Message | None:
    """The message that `step` speaks of: one that `who` has not had yet, else the one that it gets again."""
    fitting = [message for message in messages if _same(message.step, step)]
    new = (message for message in fitting if who not in _receivers(message))
    return next(new, fitting[-1] if fitting else None)


def _receivers(message: Message) -> Iterator[str]:
    return (delivery.who for delivery in message.deliveries)


def _same(sent: Step, step: Step) -> bool:
    key = sent.routing_key or sent.queue
    return (sent.exchange, key) == (step.exchange, step.routing_key) and _same_data(sent.data, step)


def _same_data(data: Any, step: Step) -> bool:
    return bool(data == step.data) or (isinstance(data, dict) and data.get("task_id") == step.message_id is not None)
