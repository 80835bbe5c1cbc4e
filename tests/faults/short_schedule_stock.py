"""Celery as it comes with the same schedule: `celery -A tests.faults.short_schedule_stock beat`."""

from tests.faults.short_schedule_times import SCHEDULE
from tests.faults.stock import app

app.conf.beat_schedule = SCHEDULE
