"""The class of the Celery application."""

from datetime import datetime
from typing import Any

from celery import Celery
from celery.result import AsyncResult

SHORTEST_DELAY = 1.0


class Application(Celery):
    """Celery, with a queue that delays by whole seconds: RabbitMQ's."""

    def send_task(  # type: ignore[override]  # what it leaves to Celery is not repeated
        self,
        name: str,
        args: Any = None,
        kwargs: Any = None,
        countdown: float | None = None,
        eta: datetime | str | None = None,
        **options: Any,
    ) -> AsyncResult[Any]:
        """Send a task by its name, which every other way of sending one does in the end.

        One that is due in less than a second is sent for the next: Celery 5.7 takes off the fraction and then refuses
        to delay by nothing.
        """
        if eta and countdown is None:
            due_in = (self._as_datetime(eta) - self.now()).total_seconds()
            # By the time Celery looks, a little more than a second may have become a little less.
            if 0 < due_in < 2 * SHORTEST_DELAY:
                countdown, eta = due_in, None
        if countdown and countdown > 0:
            countdown = max(countdown, SHORTEST_DELAY)
        return super().send_task(name, args, kwargs, countdown, eta, **options)  # type: ignore[arg-type]  # text too

    def _as_datetime(self, eta: datetime | str) -> datetime:
        moment = datetime.fromisoformat(eta) if isinstance(eta, str) else eta
        return moment if moment.tzinfo else moment.replace(tzinfo=self.timezone)
