"""Two applications with the same small tasks: Celery as it comes, and ours.

`celery -A bench._applications:stock worker`; both take their broker and their results from the variables of the
project, which Celery reads too.
"""

import os
from typing import Any

import requests
from celery import Celery

from app.celery import create_app
from app.settings import read_settings

stock = Celery("stock", set_as_current=False)
stock.conf.result_backend = os.environ["CELERY_RESULT_BACKEND"]
stock.conf.task_default_queue = "stock"
ours = create_app(read_settings(os.environ))
ours.conf.include = ()


def nothing() -> None:
    """Do nothing."""


def add(x: int, y: int) -> int:
    """Their sum."""
    return x + y


def total(numbers: list[int] | list[list[int]]) -> int:
    """The sum of all of them, also of those in chunks."""
    return sum(sum(each) if isinstance(each, list) else each for each in numbers)


def get(url: str) -> Any:
    """The JSON document there."""
    return requests.get(url, timeout=10).json()


for application in (stock, ours):
    for function in (nothing, add, total, get):
        application.task(name=function.__name__, shared=False)(function)
