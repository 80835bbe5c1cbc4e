"""One slot every few seconds, in the place of the project's schedule."""

SLOT_SECONDS = 8.0
SCHEDULE = {"slot": {"task": "tests.faults.tasks.slot", "schedule": SLOT_SECONDS}}
