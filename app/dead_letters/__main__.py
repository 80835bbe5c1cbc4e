"""`python -m app.dead_letters`: the messages that RabbitMQ has given up on, for the operator."""

from app.program import refuse, run_program  # first, so that Ctrl-C is quiet while the rest is loaded

# isort: split
import argparse
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial

from kombu.exceptions import KombuError
from redis import RedisError
from rich.console import Console
from rich.progress import track
from rich.table import Table

from app.celery import app
from app.connections import Unreachable, check_results
from app.dead_letters.box import Box, BoxIsTaken, NoDeadLetters, open_box
from app.dead_letters.letter import DeadLetter
from app.dead_letters.replaying import Outcome, deal_with, replay

PATIENCE = 10.0
"""Seconds to wait for whoever else reads the dead letters."""
SHOWN = 60
"""Characters of the arguments in the list."""
BROKEN = (Unreachable, BoxIsTaken, KombuError, RedisError, OSError)


def main() -> int:
    """Run the program. Returns 0 when it did what it was told, 1 when not; exits with 2 for wrong use."""
    options = _options()
    try:
        if options.command == "replay":
            check_results(app)
        with open_box(app, PATIENCE) as box:
            return int(COMMANDS[options.command](box, options))
    except NoDeadLetters as none:
        return _say_none(options, str(none))
    except BROKEN as error:
        return refuse(str(error))


def _say_none(options: argparse.Namespace, sentence: str) -> int:
    print(sentence, file=sys.stderr)
    if options.command != "list":
        return 1
    if options.json:
        print(json.dumps({"count": 0, "dead_letters": []}))
    return 0


def _list(box: Box, options: argparse.Namespace) -> int:
    letters, now = box.letters(), datetime.now(UTC)
    shown = letters[: options.limit]
    if options.json:
        print(json.dumps({"count": len(letters), "dead_letters": [letter.as_dict(now) for letter in shown]}, indent=2))
    elif shown:
        Console().print(_table(shown, now))
    if not options.json:
        print(f"{len(letters)} dead letters" + (f", the oldest {len(shown)} of them shown." if letters else "."))
    return 0


def _table(letters: Sequence[DeadLetter], now: datetime) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("task", "arguments", "age", "queue", "why"):
        table.add_column(heading, no_wrap=heading == "task", overflow="fold")
    for letter in letters:
        arguments = f"{letter.args} {letter.kwargs if letter.kwargs != '{}' else ''}".strip()
        name = f"{letter.task or 'no task'}\n{letter.id}"
        table.add_row(name, arguments[:SHOWN], _age(letter, now), letter.death.queue, letter.sentence)
    return table


def _age(letter: DeadLetter, now: datetime) -> str:
    minutes = (now - letter.died_at).total_seconds() / 60
    return (
        f"{minutes:.0f} min"
        if minutes < 120
        else f"{minutes / 60:.0f} h"
        if minutes < 2880
        else f"{minutes / 1440:.0f} d"
    )


def _show(box: Box, options: argparse.Namespace) -> int:
    now = datetime.now(UTC)
    chosen = [letter for letter in box.letters() if letter.id == options.id]
    if not chosen:
        return refuse(_unknown(options.id))
    for letter in chosen:
        found = letter.as_dict(now) | {"body": letter.message.body, "headers": letter.message.headers}
        if options.json:
            print(json.dumps(found, indent=2, default=str))
        else:
            print("\n".join(f"{name:<12} {value}" for name, value in found.items()))
    return 0


def _replay(box: Box, options: argparse.Namespace) -> int:
    chosen, unknown = _chosen(box, options)
    outcome = deal_with(_with_progress(chosen, "Sending again"), partial(replay, app, box))
    return _report(outcome, unknown, options, "sent again")


def _discard(box: Box, options: argparse.Namespace) -> int:
    chosen, unknown = _chosen(box, options)
    outcome = deal_with(_with_progress(chosen, "Discarding"), box.discard)
    return _report(outcome, unknown, options, "discarded")


def _chosen(box: Box, options: argparse.Namespace) -> tuple[list[DeadLetter], list[str]]:
    """The letters that the operator means, and the ids that none of them has."""
    letters = box.letters()
    chosen = [letter for letter in letters if options.all or letter.id in options.ids]
    return chosen[: options.limit], sorted(set(options.ids) - {letter.id for letter in letters})


def _with_progress(letters: Sequence[DeadLetter], description: str) -> Sequence[DeadLetter]:
    console = Console(stderr=True)
    return list(letters) if not console.is_terminal else track(letters, description, console=console)  # type: ignore[return-value]


def _report(outcome: Outcome, unknown: list[str], options: argparse.Namespace, done: str) -> int:
    failed = outcome.failed | {name: _unknown(name) for name in unknown}
    if options.json:
        print(json.dumps({"done": outcome.done, "failed": failed}, indent=2))
    else:
        print(f"{len(outcome.done)} dead letters {done}.")
        for sentence in failed.values():
            print(sentence, file=sys.stderr)
    return 1 if failed else 0


def _unknown(name: str) -> str:
    return f"There is no dead letter {name}: `python -m app.dead_letters list` shows which there are."


COMMANDS = {"list": _list, "show": _show, "replay": _replay, "discard": _discard}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m app.dead_letters", description="What RabbitMQ has given up on.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="list|show|replay|discard")
    _command(commands, "list", "show all, the oldest first").add_argument(
        "--limit", type=_count, metavar="N", help="only the oldest N"
    )
    _command(commands, "show", "show all that is known of one").add_argument("id", metavar="ID")
    for name, text in (("replay", "send to the queues they came from"), ("discard", "remove for good")):
        command = _command(commands, name, text)
        command.add_argument("ids", nargs="*", default=[], metavar="ID")
        command.add_argument("--all", action="store_true", help="all of them")
        command.add_argument("--limit", type=_count, metavar="N", help="only the oldest N of those named")
    options = parser.parse_args()
    if options.command in ("replay", "discard") and bool(options.ids) == options.all:
        parser.error(f"{options.command} needs the IDs of dead letters, or --all")
    return options


def _command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, text: str
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=text, description=text)
    command.add_argument("--json", action="store_true", help="print one JSON document")
    return command


def _count(text: str) -> int:
    if (count := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text} is no number above zero")
    return count


if __name__ == "__main__":
    run_program(main)
