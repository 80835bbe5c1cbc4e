"""Tasks that keep the others going."""

from celery.utils.log import get_task_logger

from app.celery import app
from app.dead_letters import settling as dead_letters
from app.results.watchdog import settle_stopped_chords

logger = get_task_logger(__name__)


@app.task(ignore_result=True)
def settle_chords() -> None:
    """Finish the chords that have stopped, or fail them with the reason."""
    for sentence in settle_stopped_chords(app):
        logger.warning("%s", sentence)


@app.task
def canary() -> None:
    """Do nothing; that it was done shows that a worker works."""


@app.task(ignore_result=True)
def settle_dead_letters() -> None:
    """Tell whoever waits for tasks that RabbitMQ has given up, and send innocent ones again."""
    for sentence in dead_letters.settle_dead_letters(app):
        logger.warning("%s", sentence)
