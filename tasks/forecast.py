"""Tasks that train models."""

from datetime import UTC, datetime
from functools import partial
from typing import Any

from celery import Task, uuid

from app.celery import app
from app.forecast.errors import ForecastError
from app.forecast.scores import keep_score
from app.settings import get_settings
from tasks.long_running import report_progress


@app.task(bind=True, throws=(ForecastError,))
def train(self: "Task[Any, dict[str, Any]]", place: str) -> dict[str, Any]:
    """Train a model of tomorrow's temperature at a place, telling how far it has come; keeps and returns its score.

    Raises ForecastError when the weather file has too few days, or cannot be read.
    """
    # Here, so that a worker that trains none does not carry scikit-learn.
    from app.forecast.days import read_table
    from app.forecast.training import train as train_model

    settings, now = get_settings(), datetime.now(UTC)
    table = read_table(settings.weather_file, place, now)
    score = train_model(place, table, now, partial(report_progress, self)).as_dict()
    keep_score(settings.data_dir / "forecast", self.request.id or uuid(), score)
    return score
