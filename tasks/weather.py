"""Tasks that fetch the weather: `collect` keeps it in the weather file, the others only pass it on."""

from datetime import UTC, datetime
from typing import Any

from celery import Task
from celery.utils.log import get_task_logger
from celery.utils.time import get_exponential_backoff_interval

from app.celery import app
from app.settings import get_settings
from app.weather.collect import collect as collect_weather
from app.weather.collect import fetch_current
from app.weather.configured import configured_places, configured_providers, configured_store
from app.weather.errors import ProviderUnreachable, WeatherError
from app.weather.observation import Place
from beat_schedule import COLLECT_MINUTES

BACKOFF_SECONDS = 10
LONGEST_BACKOFF_SECONDS = 240
MOST_RETRIES = 5
"""With these, the last retry comes within 10 minutes; after that, the next run makes good what this one missed."""

logger = get_task_logger(__name__)


@app.task(bind=True, max_retries=MOST_RETRIES, throws=(WeatherError,))
def collect(self: "Task[Any, dict[str, object]]") -> dict[str, object]:
    """Write the weather of every configured place, now and where earlier runs were missed, to the weather file.

    A service that cannot be reached is asked again after a growing, random delay, or after the one it names.
    Raises WeatherError when that has failed too, or when asking again makes no sense.
    """
    settings = get_settings()
    places, providers = configured_places(settings), configured_providers(settings)
    try:
        done = collect_weather(places, providers, configured_store(settings), datetime.now(UTC), COLLECT_MINUTES)
    except ProviderUnreachable as error:
        logger.warning("%s", error)
        if (error.retry_after or 0) > LONGEST_BACKOFF_SECONDS:
            raise  # the runs after this one are there in time
        raise self.retry(exc=error, countdown=_delay(error, self.request.retries)) from None
    except WeatherError as error:
        logger.error("%s", error)  # noqa: TRY400 - the sentence says it all
        raise
    for sentence in (*done.refused, *done.torn, *done.beyond):
        logger.warning("%s", sentence)
    if settings.rabbitmq_url and done.rows:
        _announce(settings.rabbitmq_url, done.rows)
    return done.as_dict()


@app.task(throws=(WeatherError,))
def fetch(name: str, latitude: float, longitude: float) -> dict[str, object]:
    """The weather now at one place, in degrees north and east, as a row of the weather file; nothing is written.

    Raises WeatherError when no service gave it.
    """
    fetched = fetch_current([Place(name, latitude, longitude)], configured_providers(get_settings()), datetime.now(UTC))
    return fetched.observations[-1].to_row()


@app.task
def summarise(rows: list[dict[str, Any]] | dict[str, Any]) -> dict[str, object]:
    """The places of some rows of weather, with the warmest, the coldest and the windiest of them."""
    # A chord whose header is one task passes on its result alone, not a list of one.
    rows = [rows] if isinstance(rows, dict) else rows
    return {
        "places": [row["place"] for row in rows],
        "warmest": _extreme(rows, "temperature_c", max),
        "coldest": _extreme(rows, "temperature_c", min),
        "windiest": _extreme(rows, "wind_speed_ms", max),
    }


def _announce(rabbit_url: str, rows: list[dict[str, object]]) -> None:
    """Tell whoever listens on RabbitMQ of the new rows; they are in the file already, and stay there."""
    # Here, so that a worker without RabbitMQ does not carry a second client.
    from app.messaging.errors import MessagingError
    from app.messaging.observations import announce

    try:
        announce(rabbit_url, rows)
    except MessagingError as error:
        logger.warning("The new rows are not announced: %s", error)


def _extreme(rows: list[dict[str, Any]], field: str, choose: Any) -> str | None:
    known = [row for row in rows if row[field] is not None]
    return choose(known, key=lambda row: row[field])["place"] if known else None


def _delay(error: ProviderUnreachable, retries: int) -> float:
    """Seconds until the next attempt: at random, below a limit that doubles, and not before the service allows."""
    backoff = get_exponential_backoff_interval(BACKOFF_SECONDS, retries, LONGEST_BACKOFF_SECONDS, full_jitter=True)
    return max(backoff, error.retry_after or 0)
