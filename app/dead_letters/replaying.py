"""What an operator does with dead letters: sends them again, or discards them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from amqp.exceptions import ChannelError
from celery import Celery

from app.dead_letters.box import Box
from app.dead_letters.letter import LIVES, DeadLetter

Act = Callable[[DeadLetter], None]


@dataclass(slots=True)
class Outcome:
    """The ids of the letters that were dealt with, and a sentence for each that was not."""

    done: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


def replay(app: Celery, box: Box, letter: DeadLetter) -> None:
    """Send a letter to its own queue, as new: no result, no date of expiry, and all its lives.

    Its task may run twice when this process is killed in the middle, as any task may. Raises ChannelError when its
    queue is no more.
    """
    if letter.task is not None:
        app.backend.forget(letter.id)  # who asks for the result would be told the old one
    box.send_again(letter, {"expires": None, LIVES: 0})


def deal_with(letters: Iterable[DeadLetter], act: Act) -> Outcome:
    """Do `act` with each letter; one that cannot be sent stays where it is."""
    outcome = Outcome()
    for letter in letters:
        try:
            act(letter)
        except ChannelError as error:
            outcome.failed[letter.id] = f"The queue {letter.death.queue!r} does not take it ({error})."
        else:
            outcome.done.append(letter.id)
    return outcome
