"""One slot every few seconds, in the place of the project's schedule, whose messages say when they were sent."""

import time
from typing import Any

from celery.signals import before_task_publish

SLOT_SECONDS = 8.0
SLOT = "tests.faults.tasks.slot"
SCHEDULE = {"slot": {"task": SLOT, "schedule": SLOT_SECONDS}}


@before_task_publish.connect(sender=SLOT)
def note_sending(headers: dict[str, Any], **_: Any) -> None:
    """Put the time into the message of a slot: when its task runs, says more of the worker."""
    headers["sent_at"] = time.time()
