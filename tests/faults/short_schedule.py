"""The project's application with that schedule: `celery -A tests.faults.short_schedule beat`."""

from app.celery import app
from tests.faults.short_schedule_times import SCHEDULE

app.conf.beat_schedule = SCHEDULE
