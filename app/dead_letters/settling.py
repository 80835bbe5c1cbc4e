"""Dead letters come to an end: whoever waits for their result is told, and an innocent one is sent again.

When a task ends its worker, all that this worker had was delivered once more for nothing; some of it may reach the
limit together with the task that did it.
"""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from celery import Celery
from celery.exceptions import TaskRevokedError, WorkerLostError
from celery.states import FAILURE, PENDING, READY_STATES, REVOKED

from app.dead_letters.box import Box, BoxIsTaken, NoDeadLetters, count_dead_letters, open_box
from app.dead_letters.letter import DELIVERY_LIMIT_REACHED, EXPIRED, LIVES, DeadLetter, request_of

MOST_LIVES = 2
"""How often a letter is sent again by itself: whoever ends its workers does so for three times the delivery limit."""
LONGEST_TRIAL_SECONDS = 15 * 60.0
"""After so long the next one is tried, however the one before may end."""
MOST_AT_ONCE = 500
"""Operators wait for a run to end; the next one goes on with the rest."""
SECONDS = 10.0


def settle_dead_letters(app: Celery) -> list[str]:
    """Settle the dead letters that have come since the last time; returns a sentence for each.

    A letter that may have been innocent is sent again: at once when it had not even begun. Those that had are tried one
    after another, each when it is known how the one before has ended, so that the guilty one among them does not take
    the others with it once more.
    """
    try:
        if not count_dead_letters(app, SECONDS):
            return []
        with open_box(app, patience=0) as box:
            return _settle_all(app.backend, box)
    except (NoDeadLetters, BoxIsTaken):
        return []  # another run, or an operator, is there: next time


def _settle_all(backend: Any, box: Box) -> list[str]:
    letters = box.letters()
    being_tried = _end_trials(backend, box, letters)
    settled = {letter.id for letter in letters if letter.death.settled}
    sentences: list[str] = []
    for letter in letters:
        if len(sentences) == MOST_AT_ONCE:
            break
        if letter.death.settled or letter.death.tried_since:
            continue
        state = _state(backend, letter)
        if _may_be_innocent(letter, state):
            if state != PENDING and being_tried:
                continue
            if state == PENDING:
                box.send_again(letter, {LIVES: letter.lives + 1})
            else:
                being_tried = True
                box.try_again(letter)
            sentences.append(f"{_name(letter)} was sent again: what ended its worker may have been another task.")
        elif letter.id in settled:
            box.discard(letter)  # its copy is there: whoever settled it was killed before this one was removed
        else:
            sentences.append(_settle(backend, box, letter, state))
    return sentences


def _end_trials(backend: Any, box: Box, letters: Sequence[DeadLetter]) -> bool:
    """Remove the letters whose trial is over: the task has ended, or is dead again; returns whether one goes on."""
    dead_again = {letter.id for letter in letters if not letter.death.tried_since}
    goes_on = False
    for letter in letters:
        if since := letter.death.tried_since:
            over = letter.id in dead_again or _state(backend, letter) in READY_STATES
            if over or time.time() - since > LONGEST_TRIAL_SECONDS:
                box.discard(letter)
            else:
                goes_on = True
    return goes_on


def _may_be_innocent(letter: DeadLetter, state: str | None) -> bool:
    return (
        letter.task is not None
        and letter.death.reason == DELIVERY_LIMIT_REACHED
        and letter.lives < MOST_LIVES
        and state not in READY_STATES
    )


def _state(backend: Any, letter: DeadLetter) -> str | None:
    """The state of a letter's task; None when nobody knows: results over rpc:// are in their receiver's hands."""
    if letter.task is None or not hasattr(backend, "get_key_for_task"):
        return None
    return str(backend.get_state(letter.id))


def _settle(backend: Any, box: Box, letter: DeadLetter, state: str | None) -> str:
    reason = _reason(letter)
    if state in READY_STATES:
        reason = f"{reason} Its result says: {state}, {backend.get_result(letter.id)}"
    elif letter.task is not None:
        try:
            _end(backend, letter, reason)
        except ValueError as error:
            reason = f"{reason} Nobody can be told: {error}."
    box.note(letter, replace(letter.death, settled=reason))
    return f"{_name(letter)} is a dead letter. {reason}"


def _end(backend: Any, letter: DeadLetter, reason: str) -> None:
    """Store the final state of a letter's task, and have happen all that follows from it."""
    expired = letter.death.reason == EXPIRED
    error = TaskRevokedError(reason) if expired else WorkerLostError(reason)
    backend.mark_as_failure(letter.id, error, request=request_of(letter), state=REVOKED if expired else FAILURE)


def _reason(letter: DeadLetter) -> str:
    if letter.lives:
        return f"{letter.sentence} It had been sent again {letter.lives} times before."
    return letter.sentence


def _name(letter: DeadLetter) -> str:
    return f"{letter.task} {letter.id}" if letter.task else f"The message {letter.id}, which is no task,"
