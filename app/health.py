"""`python -m app.health`: whether everything works, one line each, within a limit whatever is broken."""

from app.program import run_program  # first, so that Ctrl-C is quiet while the rest is loaded

# isort: split
import argparse
import json
import math
import queue
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from celery import Celery
from celery.states import SUCCESS
from kombu.exceptions import KombuError
from redis import RedisError

from app.canary import send_canary
from app.celery import app
from app.connections import Unreachable, broker_connection, broker_uri, check_broker, check_results
from app.embedded import EmbeddedBrokerError
from app.settings import get_settings
from app.weather.errors import WeatherError
from app.weather.latest import latest_row
from beat_schedule import COLLECT_MINUTES

PERIOD = timedelta(minutes=60 / len(COLLECT_MINUTES))
LIMIT = 5.0
CLOSING_SHARE = 0.2
"""The part of the limit that is kept for saying in which step a check has waited in vain."""


@dataclass(frozen=True)
class Check:
    """What a check has found: one sentence, which says what to do when it is not `ok`, and the time it took."""

    name: str
    ok: bool
    sentence: str
    seconds: float


class Unwell(Exception):
    """Something does not work; the message says what, and what to do."""


Inspect = Callable[[Celery, float], str]
"""Says what works, within some seconds; raises Unwell, or what the servers raise, when it does not."""


def check_health(limit: float = LIMIT, only: Collection[str] = (), node: str | None = None) -> list[Check]:
    """Check everything, or what is named in `only`, all at the same time and within `limit` seconds.

    Args:
        limit: Seconds after which a check that has not ended counts as failed, whatever it waits for.
        only: Names of checks, from NAMES.
        node: The node that the check "node" asks for, as `celery@host` or `celerybeat@host`; None leaves that out.
    """
    inspections: dict[str, Inspect] = dict(INSPECTIONS)
    if node is not None:
        inspections["node"] = partial(_inspect_node, name=node)
    ended: queue.SimpleQueue[Check] = queue.SimpleQueue()
    started = time.monotonic()
    waiting = [name for name in inspections if not only or name in only]
    for name in waiting:
        # Left behind when it does not end: no time-out bounds a resolver, or a file on a server that is away.
        threading.Thread(target=_inspect, args=(name, inspections[name], limit, ended), daemon=True).start()
    found: dict[str, Check] = {}
    while len(found) < len(waiting) and (left := started + limit - time.monotonic()) > 0:
        try:
            check = ended.get(timeout=left)
        except queue.Empty:
            break
        found[check.name] = check
    return [found.get(name) or Check(name, False, _late(name, limit), limit) for name in waiting]


def _inspect(name: str, inspect: Inspect, limit: float, ended: "queue.SimpleQueue[Check]") -> None:
    started = time.monotonic()
    try:
        ok, sentence = True, inspect(app, limit * (1 - CLOSING_SHARE))
    except (Unwell, Unreachable, EmbeddedBrokerError, WeatherError) as error:
        ok, sentence = False, str(error)
    except (KombuError, RedisError, OSError) as error:
        ok, sentence = False, f"{type(error).__name__}: {error}; {REMEDIES[name]}."
    ended.put(Check(name, ok, sentence, time.monotonic() - started))


def _late(name: str, limit: float) -> str:
    return f"No answer within {limit:g} s: {REMEDIES[name]}."


def _inspect_broker(app: Celery, seconds: float) -> str:
    check_broker(app, seconds)
    return f"The broker at {broker_uri(app)} answers."


def _inspect_results(app: Celery, seconds: float) -> str:
    check_results(app, seconds)
    return f"The result store at {app.backend.as_uri(include_password=False)} answers."


def _inspect_canary(app: Celery, seconds: float) -> str:
    state = send_canary(app, seconds)
    if state is None:
        raise Unwell(f"No worker has run a task within {seconds:.3g} s: {REMEDIES['canary']}.")
    if state != SUCCESS:
        raise Unwell(f"A worker has ended a task that does nothing as {state}: look into its log.")
    return "A task was sent, run by a worker, and its result came back."


def _inspect_beat(app: Celery, seconds: float) -> str:
    names = _ping(app, seconds, pattern="celerybeat@*", matcher="glob")
    if not names:
        raise Unwell(f"No beat answers within {seconds:.3g} s: {REMEDIES['beat']}.")
    return f"{names[0]} answers."


def _inspect_node(app: Celery, seconds: float, name: str) -> str:
    if not _ping(app, seconds, destination=[name]):
        raise Unwell(f"{name} does not answer within {seconds:.3g} s: {REMEDIES['node']}.")
    return f"{name} answers."


def _ping(app: Celery, seconds: float, **chosen: object) -> list[str]:
    """The name of the first of the chosen nodes that answers."""
    with broker_connection(app, seconds) as connection:
        replies = app.control.broadcast("ping", reply=True, timeout=seconds, limit=1, connection=connection, **chosen)  # type: ignore[arg-type]  # the stubs do not know how to name by pattern
    return [name for reply in replies or () for name in reply]


def _inspect_observation(app: Celery, seconds: float) -> str:
    path, now = get_settings().weather_file, datetime.now(UTC)
    row = latest_row(path)
    if row is None:
        raise Unwell(f"There is no observation in {path} yet: {REMEDIES['observation']}.")
    age = f"{(now - row.fetched_at).total_seconds() / 60:.0f} minutes ago"
    if row.is_overdue(now, PERIOD):
        raise Unwell(f"The last observation was written {age}, that of {row.place}: {REMEDIES['observation']}.")
    return f"The last observation was written {age}."


INSPECTIONS: dict[str, Inspect] = {
    "broker": _inspect_broker,
    "results": _inspect_results,
    "canary": _inspect_canary,
    "beat": _inspect_beat,
    "observation": _inspect_observation,
}
NAMES = (*INSPECTIONS, "node")
REMEDIES = {
    "broker": "start the broker, or correct CELERY_BROKER_URL and what resolves its name",
    "results": "start the result store, or correct CELERY_RESULT_BACKEND and what resolves its name",
    "canary": "start a worker, or restart the one that has stopped working; if all are busy, start more",
    "beat": "start `celery -A app beat`, or restart the one that hangs",
    "observation": "see that beat and a worker run, then look into the worker's log for tasks.weather.collect",
    "node": "start it, or restart it if it hangs",
}


def main() -> int:
    """Run the program. Returns 0 when all is well, 1 when something is not; exits with 2 for wrong use."""
    options = _options()
    checks = check_health(options.limit, options.only or (), options.node)
    if options.json:
        print(json.dumps({"ok": all(check.ok for check in checks), "checks": [asdict(check) for check in checks]}))
    else:
        for check in checks:
            print(f"{'ok' if check.ok else 'BAD':<4} {check.name:<12} {check.seconds:5.2f} s  {check.sentence}")
    return 0 if all(check.ok for check in checks) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m app.health", description="See whether everything works.")
    parser.add_argument("--only", action="append", metavar="NAME", choices=NAMES, help=f"one of {', '.join(NAMES)}")
    parser.add_argument("--node", metavar="NAME", help="ask for this worker or beat, too: celery@host, celerybeat@host")
    parser.add_argument("--limit", type=_seconds, default=LIMIT, metavar="SECONDS", help=f"at most ({LIMIT:g})")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args()
    if "node" in (options.only or ()) and not options.node:
        parser.error("--only node needs --node NAME")
    return options


def _seconds(text: str) -> float:
    seconds = float(text)
    if not (math.isfinite(seconds) and seconds > 0):
        raise argparse.ArgumentTypeError(f"{text} is no number of seconds above zero")
    return seconds


if __name__ == "__main__":
    run_program(main)
