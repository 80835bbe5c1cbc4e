"""Tasks that make reports as PDF: for whoever asks where there is no RabbitMQ, and one every day to keep."""

import base64
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from celery.utils.log import get_task_logger
from redis import Redis, RedisError

from app.celery import app
from app.reporting.errors import NoRows, ReportError
from app.reporting.order import NO_ROWS, Order
from app.reporting.period import Period
from app.settings import get_settings
from app.task import Task
from app.weather.files import replacing
from beat_schedule import COLLECT_MINUTES

PDF = "pdf"
KEEP_RESULT_SECONDS = 120
"""A report that nobody has fetched by then was too late for whoever asked for it."""
DAYS_TO_MAKE_GOOD = 3

logger = get_task_logger(__name__)


class FleetingResult(Task):
    """A task with a large result that is wanted at once or never."""

    def on_success(self, retval: Any, task_id: str, args: Any, kwargs: Any) -> None:
        """Let the result go soon, where it is kept in Redis or Valkey."""
        store: Any = self.backend
        if isinstance(client := getattr(store, "client", None), Redis):
            with suppress(RedisError):  # then it goes with all the others
                client.expire(store.get_key_for_task(task_id), KEEP_RESULT_SECONDS)


@app.task(base=FleetingResult, throws=(ReportError, ValueError))
def make(place: str, days: int) -> dict[str, str]:
    """A report about the last days of a place: a PDF in base64, or a sentence when there are no rows to report on.

    Raises ReportError when the weather file cannot be read, ValueError for days that no report covers.
    """
    order, now = Order.read({"place": place, "days": days}), datetime.now(UTC)
    try:
        report = _build([order.place], Period.last_days(order.days, now), now)
    except NoRows as error:
        return {NO_ROWS: str(error)}
    return {PDF: base64.b64encode(report).decode()}


@app.task(throws=(ReportError,))
def keep_daily() -> list[str]:
    """Write a report about all places for the last whole day, and for those before it that were missed.

    Returns the names of the new files in DATA_DIR/reports. Raises ReportError when the weather file cannot be read.
    """
    settings, now = get_settings(), datetime.now(UTC)
    folder = settings.data_dir / "reports"
    folder.mkdir(parents=True, exist_ok=True)
    places = [name for name, _, _ in settings.weather_places]
    written = []
    for back in range(DAYS_TO_MAKE_GOOD):
        day = Period.day_before(now - timedelta(days=back))
        path = folder / f"weather-{day.begin:%Y-%m-%d}.pdf"
        if path.exists():
            continue
        with suppress(NoRows), replacing(path) as new:
            new.write_bytes(_build(places, day, now))
            written.append(path.name)
    return written


def _build(places: list[str], period: Period, now: datetime) -> bytes:
    # Here, so that a worker that makes no reports does not carry what draws them.
    from app.reporting.document import build_report

    return build_report(get_settings().weather_file, places, period, now, COLLECT_MINUTES)
