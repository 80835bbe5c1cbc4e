"""What beat sends, and when. Tasks stand here by name, so that this file imports nothing of ours."""

from typing import Any

from celery.schedules import crontab

COLLECT_MINUTES = (1, 21, 41)
"""The minutes of each hour at which the weather is collected: off the full hour, as the weather services ask."""

SETTLE_CHORDS_SECONDS = 30.0
"""How often chords that have stopped are looked for."""

SETTLE_DEAD_LETTERS_SECONDS = 10.0
"""How often what RabbitMQ has given up is looked at; without any, that costs it one question."""

DAILY = {"expires": 12 * 3600}
"""For what is done once a day, at night in UTC: whoever is later than that waits for the next night."""

BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    "collect-weather": {
        "task": "tasks.weather.collect",
        "schedule": crontab(minute=",".join(map(str, COLLECT_MINUTES))),
        # A run that waited longer than this has been overtaken by the next one, which makes its slot good.
        "options": {"expires": 20 * 60},
    },
    "keep-daily-report": {
        "task": "tasks.report.keep_daily",
        "schedule": crontab(hour="0", minute="35"),  # the runs of the last slots of the day, retries too, are over
        "options": DAILY,
    },
    "clear-away": {
        "task": "tasks.housekeeping.clear_away",
        "schedule": crontab(hour="3", minute="50"),
        "options": DAILY,
    },
    "settle-chords": {
        "task": "tasks.maintenance.settle_chords",
        "schedule": SETTLE_CHORDS_SECONDS,
        "options": {"expires": SETTLE_CHORDS_SECONDS},
    },
    "settle-dead-letters": {
        "task": "tasks.maintenance.settle_dead_letters",
        "schedule": SETTLE_DEAD_LETTERS_SECONDS,
        "options": {"expires": SETTLE_DEAD_LETTERS_SECONDS},
    },
}
