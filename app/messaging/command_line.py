"""The command line of `python -m app.messaging`: every role, its options, and the experiment it belongs to."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from app.messaging import names, play
from app.messaging.roles.steps import Tell

Play: TypeAlias = Callable[[argparse.Namespace, str, Tell], play.Playing]

PROGRAM = "python -m app.messaging"

EXPERIMENTS = {
    "take turns": ("receive", "receive", "send --count 10 hello"),
    "nothing is lost (end one with kill -9)": ("receive --seconds 5", "receive --seconds 5", "send hello"),
    "a fair share": ("receive --seconds 5 --name slow", "receive --name fast", "send --count 10 hello"),
    "failures are tried again, then put away": ("receive --fail", "send hello", "receive --queue hello.dead-letters"),
    "everybody gets everything": ("listen fanout", "listen fanout --file all.jsonl", "emit fanout hello"),
    "by level": (
        "listen direct info critical",
        "listen direct critical --file critical.jsonl",
        'emit direct critical "disk full"',
        'emit direct debug "nobody listens"',
    ),
    "by pattern": ("listen topic 'logs.*'", "listen topic 'metrics.#'", "emit topic metrics.cpu.usage 93"),
    "by header": ("listen headers type=image priority=high", "emit headers type=image priority=high scan"),
    "two types, two clients": ("client image", "client text", "generate"),
    "a training has finished": (
        "listen fanout --exchange training_finished --name logging",
        "listen fanout --exchange training_finished --name visualisation",
        "listen fanout --exchange training_finished --name notification",
        """emit fanout --exchange training_finished '{"model": "m1", "accuracy": 0.93}'""",
    ),
    "an event bus": ("logger", "logger", """log critical '{"disk": "full"}'"""),
    "models by type": ("ml-work classification", "ml-work regression clustering", "ml-send"),
    "calls with an answer": ("rpc-serve", "rpc-call 30"),
}
"""What to try: the commands of each experiment, every one in a terminal of its own."""


def parse_command_line() -> argparse.Namespace:
    """The options; the chosen role is then `options.play(options, url, tell)`, to be awaited."""
    parser = _parser()
    options, rest = parser.parse_known_args()
    # argparse takes all words at the first place where one may stand; here they may stand around the options.
    if rest and (any(word.startswith("-") for word in rest) or "words" not in options):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if rest:
        options.words += rest
    return options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Play one role in an experiment with the RabbitMQ at RABBITMQ_URL.",
        epilog=_experiments(""),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    roles = parser.add_subparsers(dest="role", metavar="ROLE", required=True)
    for add in (_add_work, _add_events, _add_media, _add_logger, _add_models, _add_calls):
        add(roles)
    return parser


def _add_work(roles: Any) -> None:
    send = _role(roles, "send", "put a message into a queue", play.send)
    send.add_argument("words", metavar="TEXT", nargs="*", help='JSON, or a text that becomes {"text": …}')
    send.add_argument("--count", type=_whole, default=1, metavar="N", help="as often as that (1)")
    receive = _role(roles, "receive", "take messages from a queue, in turn with the other receivers", play.receive)
    receive.add_argument("--seconds", type=_seconds, default=1.0, metavar="S", help="how long each message takes (1)")
    receive.add_argument("--capacity", type=_whole, default=1, metavar="N", help="messages at once (1)")
    receive.add_argument("--fail", action="store_true", help="fail with every message")
    _add_count(receive)
    for role in (send, receive):
        _add_queue(role, names.HELLO.name)


def _add_events(roles: Any) -> None:
    emit = _role(roles, "emit", "send an event to an exchange", play.emit)
    emit.add_argument("kind", choices=play.KINDS, help="the kind of the exchange")
    emit.add_argument(
        "words", nargs="+", metavar="WORD", help="the key (direct, topic) or headers (name=value), then the text"
    )
    listen = _role(roles, "listen", "get the events that match", play.listen)
    listen.add_argument("kind", choices=play.KINDS, help="the kind of the exchange")
    listen.add_argument(
        "words", nargs="*", metavar="WORD", help="keys (direct), patterns (topic) or headers (name=value)"
    )
    listen.add_argument("--any", action="store_true", help="one of the headers is enough")
    listen.add_argument("--file", type=Path, help="append the events to this file as well")
    _add_count(listen)
    for role in (emit, listen):
        role.add_argument("--exchange", metavar="NAME", help="another exchange than ours of that kind")
        role.add_argument("--durable", action="store_true", help="the exchange survives a restart of the broker")


def _add_media(roles: Any) -> None:
    generate = _role(roles, "generate", "send messages of two types, image and text, in turn", play.generate)
    generate.add_argument("--count", type=_whole, default=10, metavar="N", help="how many (10)")
    generate.add_argument("--interval", type=_seconds, default=1.0, metavar="S", help="seconds between two (1)")
    client = _role(roles, "client", "handle the messages of one type and log them to a file", play.client)
    client.add_argument("type", choices=names.MEDIA_TYPES)
    client.add_argument("--file", type=Path, help="the log file (image.log or text.log)")
    _add_count(client)
    for role in (generate, client):
        role.add_argument(
            "--exchange", default=names.MEDIA.name, metavar="NAME", help=f"the exchange ({names.MEDIA.name})"
        )


def _add_logger(roles: Any) -> None:
    log = _role(roles, "log", "send an event by the class Logger", play.log)
    log.add_argument("level", choices=names.LEVELS)
    log.add_argument("words", metavar="TEXT", nargs="*", help='JSON, or a text that becomes {"text": …}')
    logger = _role(roles, "logger", "get the events of both levels by the class Logger", play.logger)
    _add_count(logger)
    for role in (log, logger):
        role.add_argument(
            "--bus", default=names.EVENTS.name, metavar="NAME", help=f"the exchange ({names.EVENTS.name})"
        )


def _add_models(roles: Any) -> None:
    send = _role(roles, "ml-send", "send model tasks, each to the queue of its type", play.ml_send)
    send.add_argument("file", nargs="?", type=Path, help="a JSON list of tasks; three samples without it")
    worker = _role(roles, "ml-work", "do the tasks of some model types", play.ml_work)
    worker.add_argument("types", nargs="*", metavar="TYPE", help=f"of {', '.join(names.ML_QUEUES)} (all)")
    _add_count(worker)


def _add_calls(roles: Any) -> None:
    call = _role(roles, "rpc-call", "ask for a Fibonacci number", play.rpc_call)
    call.add_argument("number", type=int)
    call.add_argument("--timeout", type=_seconds, default=10.0, metavar="S", help="seconds to wait (10)")
    serve = _role(roles, "rpc-serve", "answer such calls", play.rpc_serve)
    _add_count(serve)
    _add_queue(serve, names.RPC.name)
    call.add_argument("--queue", default=names.RPC.name, metavar="NAME", help=f"the queue ({names.RPC.name})")


def _role(roles: Any, name: str, summary: str, played: Play) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = roles.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=_experiments(name),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(play=played)
    parser.add_argument("--name", help="what it calls itself")
    parser.add_argument("--json", action="store_true", help="tell each step as a line of JSON")
    return parser


def _experiments(role: str) -> str:
    """The experiments in which `role` has a part, all of them for no role."""
    lines = ["experiments, each command in a terminal of its own:"]
    for title, commands in EXPERIMENTS.items():
        if not role or any(command.split()[0] == role for command in commands):
            lines += [f"  {title}", *(f"    {PROGRAM} {command}" for command in commands)]
    return "\n".join(lines)


def _add_count(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--count", type=_whole, metavar="N", help="end after that many")


def _add_queue(parser: argparse.ArgumentParser, default: str) -> None:
    parser.add_argument("--queue", default=default, metavar="NAME", help=f"the queue ({default})")
    parser.add_argument("--transient", action="store_true", help="the queue ends with the broker")
    parser.add_argument("--quorum", action="store_true", help="make a quorum queue when there is none")


def _whole(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("give a whole number from 1")
    return number


def _seconds(text: str) -> float:
    number = float(text)
    if not 0 <= number <= 86_400:
        raise argparse.ArgumentTypeError("give seconds from 0 to 86400")
    return number
