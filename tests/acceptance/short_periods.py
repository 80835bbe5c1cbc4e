"""`celery -A tests.acceptance.short_periods beat`: the project's beat, with a second for twenty minutes."""

from app.celery import app
from beat_schedule import BEAT_SCHEDULE

PERIOD_SECONDS = 1

app.conf.beat_schedule = {name: entry | {"schedule": PERIOD_SECONDS} for name, entry in BEAT_SCHEDULE.items()}
