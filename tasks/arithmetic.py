"""Tasks that calculate: small enough to show nothing but how Celery combines them."""

from celery.utils.log import get_task_logger

from app.celery import app

logger = get_task_logger(__name__)


@app.task
def add(x: float, y: float) -> float:
    """The sum of two numbers."""
    logger.info("add(%s, %s)", x, y)
    return x + y


@app.task
def mul(x: float, y: float) -> float:
    """The product of two numbers."""
    logger.info("mul(%s, %s)", x, y)
    return x * y


@app.task
def xsum(numbers: list[float]) -> float:
    """The sum of a list of numbers, such as the results of a group."""
    logger.info("xsum(%s)", numbers)
    return sum(numbers)
