"""The tasks of the scenarios, of both applications: `worker --include tests.faults.tasks`.

They are shared tasks, which the project's own never are: the same functions belong to Celery as it comes and to ours.
"""

import os
import signal
import time
from typing import Any

from celery import shared_task

from tests.faults.ledger import Ledger

ledger = Ledger.of_this_process()


def die(whole_worker: bool = False) -> None:
    """End this process, or the worker with all its processes, as the kernel's memory killer would."""
    if whole_worker:
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


@shared_task
def work(key: str, seconds: float = 0.0) -> None:
    """Work for some seconds, then take an effect."""
    ledger.note_run(key)
    time.sleep(seconds)
    ledger.take_effect(key)


@shared_task
def note(key: str) -> None:
    """Do nothing but note that it runs."""
    ledger.note_run(key)


@shared_task
def die_once(key: str, after_effect: bool) -> None:
    """Die in the first run, before or after the effect is taken."""
    is_first = ledger.note_run(key) == 1
    if is_first and not after_effect:
        die()
    ledger.take_effect(key)
    if is_first:
        die()


@shared_task
def die_always(key: str, whole_worker: bool) -> None:
    """Die in every run."""
    ledger.note_run(key)
    die(whole_worker)


@shared_task
def part(number: int, seconds: float = 0.0) -> int:
    """One part of a chord."""
    time.sleep(seconds)
    return number


@shared_task
def total(numbers: list[int]) -> int:
    """The body of a chord."""
    return sum(numbers)


@shared_task(bind=True)
def slot(self: Any) -> None:
    """What beat sends, with the time at which it did."""
    ledger.note_time("sent", self.request.sent_at)
    ledger.note_time("slots", time.time())
