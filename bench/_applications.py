"""Two applications with one task that does nothing: Celery as it comes, and ours.

`celery -A bench.noop:stock worker`; both take their broker and their results from the variables of the project, which
Celery reads too.
"""

import os

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


for application in (stock, ours):
    application.task(name="nothing", shared=False)(nothing)
