"""The queues of RabbitMQ: those of tasks, and the one for what no worker could finish."""

from collections.abc import Callable
from typing import Any

from celery.app import amqp
from kombu import Exchange, Queue, binding

DEFAULT_QUEUE = "celery"
EXCHANGE = "weatherbeat"
DEAD_LETTERS = "weatherbeat.dead_letters"
CANARY = "tasks.maintenance.canary"
"""The task that shows whether a worker works."""
DELIVERY_LIMIT = 5
"""How often a task may come back to its queue: whoever killed its worker so often will do it again."""
REVOKING_SECONDS = 60
"""For how much longer than its task the message of one that expires is kept: the worker that comes to it then says at
once that it has expired, where the broker would leave that to those who settle dead letters."""

DEAD_LETTER_QUEUE = Queue(
    DEAD_LETTERS,
    Exchange(DEAD_LETTERS, type="fanout"),
    queue_arguments={
        "x-queue-type": "quorum",
        # To look at a dead letter is a delivery, too, and RabbitMQ 4 drops a message after twenty by default.
        "x-delivery-limit": 1_000_000_000,
    },
)

SORTING = "weatherbeat.sorting"
SORTING_EXCHANGE = Exchange(SORTING, type="headers", arguments={"alternate-exchange": DEAD_LETTERS})
"""Where the broker sends what it has given up on: dead letters, unless a binding says that nobody needs it."""

UNNEEDED = "weatherbeat.unneeded"
UNNEEDED_QUEUE = Queue(
    UNNEEDED,
    bindings=[
        binding(SORTING_EXCHANGE, arguments={"x-match": "all-with-x", "x-first-death-reason": "expired", **header})
        # What beat sends is overtaken by what it sends next, and nobody waits for a canary that is late. Without a
        # worker, these would become thousands of dead letters a day.
        for header in ({"celery_beat_task": True}, {"task": CANARY})
    ],
    queue_arguments={"x-queue-type": "quorum", "x-message-ttl": 0},
)


class TaskQueue(Queue):
    """A queue of tasks; whoever declares it declares first where its dead letters go, so that none is dropped."""

    def declare(self, nowait: bool = False, channel: Any = None) -> str:
        """Declare the queue of dead letters and what leads there, then this one with its exchange."""
        channel = channel or self.channel
        for queue in (DEAD_LETTER_QUEUE, UNNEEDED_QUEUE):
            queue(channel).declare(nowait=nowait)
        return str(super().declare(nowait=nowait, channel=channel))


def task_queue(name: str) -> TaskQueue:
    """A queue for tasks, which outlives the loss of a machine (https://www.rabbitmq.com/docs/quorum-queues)."""
    return TaskQueue(
        name,
        # A topic exchange: with a direct one, tasks with a countdown are held by a worker and block it.
        Exchange(EXCHANGE, type="topic"),
        routing_key=name,
        queue_arguments={
            "x-queue-type": "quorum",
            "x-delivery-limit": DELIVERY_LIMIT,  # RabbitMQ 3 has none by default
            "x-dead-letter-exchange": SORTING,
            "x-dead-letter-strategy": "at-least-once",  # by default a dead letter may be lost on its way
            "x-overflow": "reject-publish",  # which that strategy demands
        },
    )


def route_by_name(name: str, *_: Any, **__: Any) -> dict[str, Any]:
    """Where a task goes by its name: one called `queue:task` to that queue, any other to the default queue."""
    queue, colon, _task = name.partition(":")
    return {"queue": queue if colon else DEFAULT_QUEUE}


def route_over_amqp(name: str, *_: Any, **__: Any) -> dict[str, Any]:
    """The same on RabbitMQ, for a message that must arrive.

    Without "mandatory", a message for which there is no queue is confirmed and dropped. A broker that has not confirmed
    within "confirm_timeout" seconds is taken for dead, and the message sent again.
    """
    return route_by_name(name) | {"mandatory": True, "confirm_timeout": 60}


class Queues(amqp.Queues):
    """The application's queues; one that is named first by a sender or by `worker -Q` is like the others."""

    def new_missing(self, name: str) -> Queue:
        """A queue that is not configured."""
        return task_queue(name)


class AMQP(amqp.AMQP):
    """How the application speaks to RabbitMQ."""

    queues_cls = Queues

    def _create_task_sender(self) -> Callable[..., Any]:
        send: Callable[..., Any] = super()._create_task_sender()  # type: ignore[misc]  # the stubs omit it

        def send_task_message(producer: Any, name: str, message: Any, **options: Any) -> Any:
            if message.headers.get("expires") and options.get("expiration") is not None:
                options["expiration"] += REVOKING_SECONDS
            return send(producer, name, message, **options)

        return send_task_message
