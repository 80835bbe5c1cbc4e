"""From the options of the command line to a role that is played: each function returns what is to be awaited."""

import argparse
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

from app.messaging import body, names
from app.messaging.configuration import LoggerConfig, RpcClientConfig, RpcServerConfig, WorkerClientConfig, WorkerConfig
from app.messaging.errors import ConfigurationError, MessageNotJSON
from app.messaging.names import Exchange, QueueType
from app.messaging.roles import calls, events, models, work
from app.messaging.roles.steps import Tell
from app.messaging.subscription import Match

Playing: TypeAlias = Coroutine[None, None, None]

KINDS: dict[str, Exchange] = {
    "fanout": names.LOGS,
    "direct": names.LOGS_LEVEL,
    "topic": names.TOPICS,
    "headers": names.IMAGES,
}


def send(options: argparse.Namespace, url: str, tell: Tell) -> Playing:
    """Put a message into a queue."""
    config = WorkerClientConfig(url, options.queue, not options.transient, _queue_type(options))
    return work.send(config, _object(options.words or ["hello"]), options.count, tell)


def receive(options: argparse.Namespace, url: str, tell: Tell) -> Playing:
    """Take messages from a queue."""
    config = WorkerConfig(url, options.queue, options.capacity, not options.transient, _queue_type(options))
    return work.receive(config, options.seconds, options.count, options.fail, tell)


def emit(options: argparse.Namespace, url: str, tell: Tell) -> Playing:
    """Send an event."""
    *address, text = options.words
    if options.kind in ("direct", "topic"):
        if not address:
            raise ConfigurationError(
                f"A {options.kind} exchange needs a key before the text: emit {options.kind} KEY TEXT."
            )
        key, *rest = address
        return events.emit(url, _exchange(options), key, None, _data([*rest, text]), tell)
    if options.kind == "headers":
        return events.emit(url, _exchange(options), "", _headers(address), _data([text]), tell)
    return events.emit(url, _exchange(options), "", None, _data(options.words), tell)


def listen(options: argparse.Namespace, url: str, tell: Tell) -> Playing:
    """Get events."""
    headers = _headers(options.words) if options.kind == "headers" else None
    keys = () if options.kind == "headers" else tuple(options.words)
    match: Match = "any" if options.any else "all"
    return events.listen(url, _exchange(options), keys, headers, match, options.file, options.count, tell)


def generate(options: argparse.Namespace, url: str, tell: Tell) -> Playing:
    """Send messages of two types."""
    return events.generate(url, replace(names.MEDIA, name=options.exchange), options.count, options.interval, tell)


def client(options: argparse.Namespace, url: str, tell: Tell) -> Playing:
    """Handle the messages of one type."""
    exchange, file = replace(names.MEDIA, name=options.exchange), options.file or Path(f"{options.type}.log")
    return events.client(url, exchange, options.type, file, options.count, tell)


def log(options: argparse.Namespace, url: str, tell: Tell) -> Playing:
    """Send an event by the class Logger."""
    return events.log(LoggerConfig(url, options.bus), options.level, _object(options.words or ["hello"]), tell)


def logger(options: argparse.Namespace, url: str, tell: Tell) -> Playing:
    """Get events by the class Logger."""
    return events.listen_as_logger(LoggerConfig(url, options.bus), options.count, tell)


def ml_send(options: argparse.Namespace, url: str, tell: Tell) -> Playing:
    """Send model tasks."""
    return models.send_tasks(url, models.read_tasks(options.file), tell)


def ml_work(options: argparse.Namespace, url: str, tell: Tell) -> Playing:
    """Do model tasks."""
    return models.work(url, options.types or tuple(names.ML_QUEUES), options.count, tell)


def rpc_call(options: argparse.Namespace, url: str, tell: Tell) -> Playing:
    """Make a call."""
    return calls.call(RpcClientConfig(url, options.queue, options.timeout), options.number, tell)


def rpc_serve(options: argparse.Namespace, url: str, tell: Tell) -> Playing:
    """Answer calls."""
    config = RpcServerConfig(url, options.queue, 1, not options.transient, _queue_type(options))
    return calls.serve(config, options.count, tell)


def _exchange(options: argparse.Namespace) -> Exchange:
    return Exchange(options.exchange, options.kind, options.durable) if options.exchange else KINDS[options.kind]


def _queue_type(options: argparse.Namespace) -> QueueType:
    return "quorum" if options.quorum else "classic"


def _headers(words: list[str]) -> dict[str, str]:
    pairs = [word.partition("=") for word in words]
    if not pairs or any(not name or not equals for name, equals, _ in pairs):
        raise ConfigurationError("A headers exchange needs headers, as type=image priority=high.")
    return {name: value for name, _, value in pairs}


def _data(words: list[str]) -> Any:
    text = " ".join(words)
    try:
        return body.decode(text.encode(errors="surrogateescape"))
    except MessageNotJSON:
        return {"text": text}


def _object(words: list[str]) -> dict[str, Any]:
    data = _data(words)
    return data if isinstance(data, dict) else {"text": " ".join(words)}
