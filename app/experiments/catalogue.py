"""EXPERIMENTS: every experiment by name, with what must be seen in it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from app.experiments import calls, events, models, trace, work
from app.experiments.stage import Stage
from app.experiments.trace import GIVEN_BACK, RABBITMQ, Seen, Trace
from app.messaging.names import ExchangeKind

Play: TypeAlias = Callable[[Stage], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Experiment:
    """How it is played, what to look at, and what must be seen there."""

    play: Play
    look: Callable[[Trace], Seen]
    expected: Seen
    kind: ExchangeKind | None = None
    """The kind of the exchange; None for the default exchange, which leads to the queue named by the key."""
    obstacle: Callable[[Stage], Awaitable[str | None]] | None = None
    """Gives the reason why it cannot be played here, as a sentence, or None."""

    @property
    def summary(self) -> str:
        """What it shows, in one sentence."""
        return (self.play.__doc__ or "").strip().partition("\n")[0]


BOTH_TEXTS = ["one", "two"]
BOTH_LEVELS = ["info", "critical"]
FINISHED = ['{"model": "m1", "accuracy": 0.93}']

EXPERIMENTS: dict[str, Experiment] = {
    "hello": Experiment(work.hello, trace.shares, {"first": 5, "second": 3}),
    "ack": Experiment(
        work.ack, trace.course, {"victim": ["received hello"], "other": ["received hello again", "handled hello"]}
    ),
    "durable": Experiment(
        work.durable,
        trace.handled_and_observed,
        {"late": ["hello 1", "hello 2", "hello 3"], RABBITMQ: ["3 persistent messages in a durable queue"]},
    ),
    "fair": Experiment(work.fair, trace.shares, {"slow": 1, "fast": 9}),
    "work": Experiment(
        work.work, trace.loads, {"first": {"handled": 2, "at once": 2}, "second": {"handled": 3, "at once": 1}}
    ),
    "fanout": Experiment(
        events.fanout,
        trace.handled_and_observed,
        {
            "screen": BOTH_TEXTS,
            "file": BOTH_TEXTS,
            "all.jsonl": BOTH_TEXTS,
            RABBITMQ: ["2 temporary queues, gone with their listeners"],
        },
        "fanout",
    ),
    "direct": Experiment(
        events.direct,
        trace.handled,
        {
            "screen": ["started", "disk full"],
            "file": ["disk full"],
            GIVEN_BACK: ["debug"],
            "critical.jsonl": ["disk full"],
        },
        "direct",
    ),
    "topic": Experiment(
        events.topic,
        trace.keys,
        {
            "logs": ["logs.error", "logs.info"],
            "metrics": ["metrics.cpu", "metrics.cpu.usage"],
            "sms": ["app.notification.sms.moscow"],
            GIVEN_BACK: ["logs.disk.full"],
        },
        "topic",
    ),
    "headers": Experiment(
        events.headers, trace.handled, {"both": ["scan"], "any": ["sketch", "scan"], GIVEN_BACK: ["letter"]}, "headers"
    ),
    "logger": Experiment(events.logger, trace.keys, {"first": BOTH_LEVELS, "second": BOTH_LEVELS}, "direct"),
    "types": Experiment(
        events.types,
        trace.handled,
        {
            "images": ["image 1", "image 3"],
            "texts": ["text 2", "text 4"],
            "image.log": ["image 1", "image 3"],
            "text.log": ["text 2", "text 4"],
        },
        "direct",
    ),
    "models": Experiment(
        models.models,
        trace.sorted_keys,
        {"classifier": ["classification"], "others": ["clustering", "regression"], GIVEN_BACK: ["vision"]},
        "direct",
        models.obstacle,
    ),
    "training": Experiment(
        events.training,
        trace.handled,
        {"logging": FINISHED, "visualisation": FINISHED, "notification": FINISHED},
        "fanout",
    ),
    "media": Experiment(events.media, trace.results, {"images": ["307200 pixels"], "texts": ["3 words"]}, "direct"),
    "calls": Experiment(
        calls.calls,
        trace.answers,
        {"caller": [832040], "wrong caller": ["ValueError: give a whole number from 0 to 10000"]},
    ),
}
