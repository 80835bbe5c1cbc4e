"""The classes of the Celery application."""

import gc
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime
from functools import cached_property, partial
from typing import Any

from celery import Celery, uuid
from celery.result import AsyncResult
from celery.signals import worker_init

from app import confirms
from app.confirms import ProducerAhead, confirmed_at_end
from app.sending import close_idle_connections, current_sending

SHORTEST_DELAY = 1.0
YOUNG_OBJECTS = 10_000
"""How many objects a worker has made when Python looks for garbage; by default 700, a tenth of a short task's cost."""


class Application(Celery):
    """Celery, which can also send with a limit: see app/sending.py."""

    def send_task(self, name: str, *arguments: Any, **options: Any) -> AsyncResult[Any]:
        """Send a task by its name, which every other way of sending one does in the end."""
        sending = current_sending()
        if sending is None:
            return super().send_task(name, *arguments, **options)
        options["task_id"] = options.get("task_id") or uuid()  # each attempt is one at the same task
        send = partial(super().send_task, name, *arguments)
        sent: AsyncResult[Any] = sending.until_sent(lambda **limits: send(**options | limits))
        return sent

    def producer_or_acquire(self, producer: Any = None) -> AbstractContextManager[Any]:  # type: ignore[override]
        """The given producer, or one to send with."""
        if producer is None and (sending := current_sending()):
            producer = sending.producer
        return nullcontext(producer) if producer else super().producer_or_acquire()

    @property
    def backend(self) -> Any:
        """The result backend of this thread, or of the one for which it sends."""
        sending = current_sending()
        return sending.backend if sending else super().backend

    @cached_property
    def AsyncResult(self) -> Any:  # noqa: N802 - Celery's name for it
        """The class of the results of tasks."""
        return self.subclass_with_self("app.results.waiting:AsyncResult")  # type: ignore[arg-type]  # it takes a name

    @cached_property
    def GroupResult(self) -> Any:  # noqa: N802 - as above
        """The class of the results of groups."""
        return self.subclass_with_self("app.results.waiting:GroupResult")  # type: ignore[arg-type]  # as above

    @property
    def thread_oid(self) -> str:
        """The name of this thread, or of the one for which it sends, as the address of replies."""
        sending = current_sending()
        return sending.reply_to if sending else str(super().thread_oid)

    def now(self) -> datetime:
        """The time, in the application's time zone; Celery's own takes as long as to encode a result."""
        return datetime.now(self.timezone)

    def close(self) -> None:
        """Clean up after the application."""
        close_idle_connections(self)
        super().close()


class RabbitMQApplication(Application):
    """The application over RabbitMQ: sends a group ahead of its confirmations, and delays by whole seconds."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        confirms.install()
        super().__init__(*arguments, **options)

    def producer_or_acquire(self, producer: Any = None) -> AbstractContextManager[Any]:  # type: ignore[override]
        """The given producer, or one to send with: what it has sent is confirmed at the end of the block."""
        if producer or current_sending():
            return super().producer_or_acquire(producer)
        return self._producer_ahead()

    @contextmanager
    def _producer_ahead(self) -> Iterator[Any]:
        with self.connection_or_acquire() as connection, confirmed_at_end(connection) as producer:
            yield producer

    def send_task(  # type: ignore[override]  # what it leaves to Celery is not repeated
        self,
        name: str,
        args: Any = None,
        kwargs: Any = None,
        countdown: float | None = None,
        eta: datetime | str | None = None,
        **options: Any,
    ) -> AsyncResult[Any]:
        """Send a task by its name.

        One that is due in less than a second is sent for the next: Celery 5.7 takes off the fraction and then refuses
        to delay by nothing.
        """
        if isinstance(producer := options.get("producer"), ProducerAhead):
            # Celery says so of the parts of a group, after which it always ends what it has the producer for. Whoever
            # else has one may wait for the first task before sending a second.
            producer.is_sending_group = options.get("add_to_parent") is False
        if eta and countdown is None:
            due_in = (self._as_datetime(eta) - self.now()).total_seconds()
            # By the time Celery looks, a little more than a second may have become a little less.
            if 0 < due_in < 2 * SHORTEST_DELAY:
                countdown, eta = due_in, None
        if countdown and countdown > 0:
            countdown = max(countdown, SHORTEST_DELAY)
        return super().send_task(name, args, kwargs, countdown, eta, **options)

    def _as_datetime(self, eta: datetime | str) -> datetime:
        moment = datetime.fromisoformat(eta) if isinstance(eta, str) else eta
        return moment if moment.tzinfo else moment.replace(tzinfo=self.timezone)


@worker_init.connect
def _collect_garbage_less_often(sender: Any, **_: Any) -> None:
    if isinstance(sender.app, Application):
        gc.set_threshold(YOUNG_OBJECTS)
