"""Every exchange, queue and key of Weatherbeat, and what flows through it."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

ExchangeKind: TypeAlias = Literal["direct", "fanout", "topic", "headers"]
QueueType: TypeAlias = Literal["classic", "quorum"]

LONGEST_NAME = 255
"""Bytes of a name or a routing key (AMQP 0-9-1, section 4.2.5.3: short strings)."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """An exchange as it is declared; two programs that share it must declare it alike."""

    name: str
    kind: ExchangeKind
    durable: bool = False
    """Whether it survives a restart of the broker. Those that RabbitMQ's tutorials declare do not."""
    purpose: str = ""


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue as it is declared."""

    name: str
    durable: bool = True
    type: QueueType = "classic"
    """What to make when there is none. A quorum queue forgets no acknowledgement in a crash of the broker and counts
    deliveries; a classic one costs less, and is what a plain `queue_declare(name, durable=True)` means."""
    purpose: str = ""


HELLO = Queue("hello", purpose="texts from senders to receivers, each to one of them")

LOGS = Exchange("logs", "fanout", purpose="log lines, to every listener")
LOGS_LEVEL = Exchange("logs_level", "direct", purpose="log lines; the key is the level")
EVENTS = Exchange("logger_metaclass", "direct", purpose="events of the class Logger; the key is the level")
TOPICS = Exchange("topics", "topic", purpose="logs and metrics; the key is a path of words, as metrics.cpu.usage")
IMAGES = Exchange("tasks_headers", "headers", purpose="tasks chosen by their headers, as type=image priority=high")
MEDIA = Exchange("media", "direct", purpose="messages of two types, image and text; the key is the type")
TRAINING_FINISHED = Exchange(
    "training_finished", "fanout", purpose="the end of a training, to logging, visualisation and notification"
)

INFO, CRITICAL = LEVELS = ("info", "critical")
IMAGE, TEXT = MEDIA_TYPES = ("image", "text")

ML_TASKS = Exchange("ml_tasks_exchange", "direct", durable=True, purpose="model tasks; the key is the model type")
ML_QUEUES = {
    "classification": Queue("queue_classification", purpose="tasks for classification models"),
    "regression": Queue("queue_regression", purpose="tasks for regression models"),
    "clustering": Queue("queue_clustering", purpose="tasks for clustering models"),
}
"""The queue of each model type; the type is its binding key."""

RPC = Queue("rpc_queue", purpose="calls; each answer goes to the queue that the call names in reply_to")

REPORTS = Queue("weather.reports", purpose="orders of reports; each PDF goes to the queue that the order names")

WEATHER = Exchange("weather", "topic", durable=True, purpose="every stored observation; the key is weather_key()")

EXCHANGES = (LOGS, LOGS_LEVEL, EVENTS, TOPICS, IMAGES, MEDIA, TRAINING_FINISHED, ML_TASKS, WEATHER)
QUEUES = (HELLO, RPC, REPORTS, *ML_QUEUES.values())


def weather_key(provider: str, place: str) -> str:
    """The routing key of an observation: `weather.<provider>.<place>`, one word each, so that patterns can match."""
    key = f"weather.{_word(provider)}.{_word(place)}"
    return key.encode()[:LONGEST_NAME].decode(errors="ignore")


def dead_letter_queue(queue: str) -> str:
    """Where the messages of `queue` go that nobody could handle; the headers say why."""
    return f"{queue}.dead-letters"


def retry_queue(queue: str, delay: float) -> str:
    """Where a message of `queue` waits `delay` seconds for its next try."""
    return f"{queue}.retry.{delay * 1000:.0f}ms"


def _word(text: str) -> str:
    return "".join("_" if letter in ".*#" or letter.isspace() else letter for letter in text)
