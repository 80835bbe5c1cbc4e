"""Finds chords that have stopped, and finishes them or fails them with the reason.

A chord moves only when one of its parts ends: when the process dies that was to send its body, or to send its last
part, nobody comes back to it. The watchdog counts again, which changes nothing where nothing was missed.
"""

# mypy: disable-error-code="attr-defined"
# The stubs of celery leave out what a Redis backend has.

from typing import Any, NoReturn

from celery import Celery
from celery.app.task import Context
from celery.exceptions import ChordError
from celery.states import READY_STATES, SUCCESS

from app.results import chords
from app.results.backend import ResultBackend
from app.results.chords import UnfinishedChord

LEAST_AGE = 10.0
"""Seconds after which a chord is looked at; one that is on its way is left alone by its counts."""
SENDING_LIMIT = 15 * 60.0
"""Seconds after which the sender of a chord must have sent all its parts."""
DONE = b"done"
"""What Celery leaves for some minutes in the place of a claim when the body of a chord has been sent."""


def settle_stopped_chords(app: Celery) -> list[str]:
    """Finish or fail every chord that has stopped; returns a sentence for each. Other result stores have none."""
    backend: Any = app.backend
    if not isinstance(backend, ResultBackend):
        return []
    sentences = [_settle(backend, chord) for chord in chords.unfinished(backend, LEAST_AGE)]
    return [sentence for sentence in sentences if sentence]


def _settle(backend: Any, chord: UnfinishedChord) -> str | None:
    size, counted, claim = _counts(backend, chord.group_id)
    if claim == DONE or (chord.body.id and backend.get_state(chord.body.id) in READY_STATES):
        chords.forget(backend, chord.group_id)
        return None
    if size is None:
        return _fail_incomplete(backend, chord)
    missed = _count_missed(backend, chord, counted)
    if claim is None and len(counted) + missed >= size and counted:
        _count(backend, chord, *counted[0], SUCCESS, None)
        return f"Chord {chord.group_id} had stopped with all {size} parts done; its body has been sent."
    return f"Chord {chord.group_id} had {missed} parts that were done and not counted." if missed else None


def _counts(backend: Any, group_id: str) -> tuple[int | None, list[tuple[str, str]], bytes | None]:
    """Of how many parts a chord consists, which of them have been counted, and who sends its body."""
    with backend.client.pipeline() as pipe:
        for suffix in (".s", ".t", ".c"):
            pipe.get(backend.get_key_for_group(group_id, suffix))
        pipe.smembers(backend.get_key_for_group(group_id, ".d"))
        size, added, claim, members = pipe.execute()
    counted = [member.decode().rpartition(":")[::2] for member in members]
    return int(size) + int(added or 0) if size else None, counted, claim


def _count_missed(backend: Any, chord: UnfinishedChord, counted: list[tuple[str, str]]) -> int:
    """Count the parts that have ended and were not counted; returns how many those were."""
    known = {task_id for task_id, _ in counted}
    missing = {task_id: index for index, task_id in enumerate(chord.header) if task_id not in known}
    if not missing:
        return 0
    ended = backend._mget_to_results(
        backend.mget([backend.get_key_for_task(task_id) for task_id in missing]), list(missing)
    )
    for task_id, meta in ended.items():
        _count(backend, chord, task_id, str(missing[task_id]), meta["status"], meta["result"])
    return len(ended)


def _count(backend: Any, chord: UnfinishedChord, task_id: str, index: str, state: str, result: Any) -> None:
    request = Context({"id": task_id, "group": chord.group_id, "group_index": index, "chord": chord.body})
    backend.on_chord_part_return(request, state, result)


def _fail_incomplete(backend: Any, chord: UnfinishedChord) -> str | None:
    """Fail a chord whose size nobody knows, once nobody can be about to say it."""
    lifetime = backend.chord_expires
    if lifetime and chord.age >= lifetime:
        reason = f"not all parts of the chord ended within {lifetime} seconds, for which they are counted"
    elif chord.age >= SENDING_LIMIT:
        reason = "the process that sent the chord ended before it had sent all its parts"
    else:
        return None
    try:
        _stop(reason)
    except ChordError as error:  # Celery stores the traceback of what is being handled
        backend.chord_error_from_stack(chord.body, error)
    chords.forget(backend, chord.group_id)
    return f"Chord {chord.group_id} has been failed: {reason}."


def _stop(reason: str) -> NoReturn:
    raise ChordError(reason)
