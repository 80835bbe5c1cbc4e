"""Celery as it comes, with nothing but the addresses: `celery -A tests.faults.stock worker`."""

import os

from celery import Celery


def create_stock(broker: str, results: str) -> Celery:
    """An application with Celery's defaults."""
    return Celery("stock", broker=broker, backend=results, set_as_current=False)


if "FAULTS_SCENE" in os.environ:
    app = create_stock(os.environ["CELERY_BROKER_URL"], os.environ["CELERY_RESULT_BACKEND"])
    app.set_default()  # for tasks that are included
