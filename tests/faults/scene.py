"""One side of one row: its programs, what is sent, and what has become of it."""

import os
import subprocess
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

import kombu.pools
from celery import Celery
from celery.result import AsyncResult

from app.celery import create_app
from app.settings import read_settings
from tests.faults.finding import Finding, counted
from tests.faults.ledger import OURS, STOCK, Ledger
from tests.faults.stock import create_stock
from tests.services.celery import Beat, CeleryProgram, Worker
from tests.services.process import LocalProcess
from tests.services.rabbitmq import VirtualHost, server_script
from tests.waiting import wait_until

if TYPE_CHECKING:
    from tests.faults.stage import Stage

TASKS = "tests.faults.tasks"
QUEUE = "celery"
Program = TypeVar("Program", bound=CeleryProgram)
START_LIMIT = 60.0
QUIET_SECONDS = 5.0
"""After so long without any change, what has not been done counts as lost."""
COUNTED_SECONDS = 3.0
"""After so long the broker has counted what is still to be done: its counts are up to two seconds old."""
ARRIVING_SECONDS = 5.0
"""What a broker has not taken out of its sockets by then has not arrived."""
APPLICATIONS = {OURS: "app", STOCK: "tests.faults.stock"}
SCHEDULES = {OURS: "tests.faults.short_schedule", STOCK: "tests.faults.short_schedule_stock"}


class StartedBeat(Beat):
    """A beat that counts as ready when it says so: that of Celery as it comes answers nobody."""

    def is_ready(self) -> bool:
        return "beat: Starting..." in self.log_of_this_start()


class Scene:
    """One side of a row: its own virtual host, workers, ledger, and an application to send with."""

    def __init__(self, stage: "Stage", vhost: VirtualHost, side: str) -> None:
        self.side = side
        self.vhost, self.node, self.results = vhost, stage.node, stage.results
        self.name = f"{side}-{uuid.uuid4().hex[:8]}"
        self.folder = stage.folder / self.name
        self.ledger = Ledger(stage.ledger.url, self.name, side)
        self.settings = {
            "CELERY_BROKER_URL": vhost.url,
            "CELERY_RESULT_BACKEND": stage.results.url,
            "DATA_DIR": str(self.folder / "data"),
            "FAULTS_LEDGER": stage.ledger.url,
            "FAULTS_SCENE": self.name,
            "FAULTS_SIDE": side,
        }
        self.app = self._application()
        self._programs: list[LocalProcess] = []

    @property
    def is_ours(self) -> bool:
        """Whether it is ours that is played."""
        return self.side == OURS

    def worker(
        self, name: str = "worker", *, concurrency: int = 2, include: Sequence[str] = (), **settings: str
    ) -> Worker:
        """A worker that runs: ours is ended by SIGTERM as the Procfile and the image have it."""
        ending = {"REMAP_SIGTERM": "SIGQUIT"} if self.is_ours else {}
        worker = Worker(
            self.folder / name,
            self.settings | ending | settings,
            name=name,
            concurrency=concurrency,
            arguments=("--include", ",".join([TASKS, *include])),
        )
        return self._start(worker, APPLICATIONS[self.side])

    def beat(self, name: str = "beat", short: bool = True) -> Beat:
        """A beat that runs, with the short schedule or, ours only, with its own."""
        arguments = () if self.is_ours else ("--schedule", str(self.folder / f"{name}.schedule"))
        beat = StartedBeat(self.folder / name, self.settings, arguments=arguments)
        return self._start(beat, SCHEDULES[self.side] if short else APPLICATIONS[self.side])

    def send(self, task: str, *arguments: Any, **options: Any) -> AsyncResult[Any]:
        """Send a task of the scenarios."""
        return self.app.send_task(f"{TASKS}.{task}", arguments, **options)

    def signature(self, task: str, *arguments: Any) -> Any:
        """A signature of such a task."""
        return self.app.signature(f"{TASKS}.{task}", arguments)

    def send_work(self, count: int, seconds: float = 0.0) -> list[str]:
        """Send tasks that take an effect; returns their keys."""
        keys = [f"task-{number}" for number in range(count)]
        for key in keys:
            self.send("work", key, seconds)
        return keys

    def wait_for_effects(self, count: int, limit: float = START_LIMIT) -> None:
        """Wait until so many effects have been taken."""
        wait_until(lambda: self.ledger.effect_count() >= count, limit, f"{count} effects have been taken")

    def settle(self, keys: Sequence[str], limit: float = 120.0, quiet: float = QUIET_SECONDS) -> Finding:
        """Wait until nothing more will happen, all effects taken or not; say what was lost and doubled."""
        deadline, changed, before = time.monotonic() + limit, time.monotonic(), 0
        while time.monotonic() < deadline:
            if (now := self.ledger.run_count()) != before:
                before, changed = now, time.monotonic()
            # A task may run again when its effect is taken, and double it.
            enough = quiet if self._lacks_any(keys) else COUNTED_SECONDS
            if time.monotonic() - changed > enough and not self._has_more_to_do():
                break
            time.sleep(0.1)
        effects, runs = Counter(self.ledger.effects()), Counter(self.ledger.runs())
        lost = len(set(keys) - set(effects))
        doubled = sum(effects[key] - 1 for key in keys if effects[key])
        again = sum(runs[key] - 1 for key in keys if runs[key])
        return counted(not lost and not doubled, lost=lost, doubled_effects=doubled, run_again=again)

    def _lacks_any(self, keys: Sequence[str]) -> bool:
        return self.ledger.effect_count() < len(keys) or bool(set(keys) - set(self.ledger.effects()))

    def _has_more_to_do(self) -> bool:
        """Whether a worker runs, and there are messages for it."""
        if not any(isinstance(program, Worker) and program.is_running for program in self._programs):
            return False
        with suppress(KeyError):  # the queue need not be there
            return self.vhost.message_count(QUEUE) > 0
        return False

    def kill_broker(self) -> None:
        """Kill the broker with -9, but not before a new quorum queue outlives that."""
        if self.is_ours:
            wait_until(lambda: self.vhost.is_kept(QUEUE), START_LIMIT, "the broker has written down its queue")
        self.node.kill()

    def later(self, seconds: float, action: Callable[[], object]) -> threading.Timer:
        """Do something meanwhile, after some seconds."""
        timer = threading.Timer(seconds, action)
        timer.start()
        return timer

    def waiting_ids(self) -> set[str]:
        """The ids of the tasks that wait in the queue or are on their way to it; it is empty afterwards."""
        found, empty_since = set(), None
        with self.app.connection_for_read() as connection:
            channel: Any = connection.channel()
            while empty_since is None or time.monotonic() < empty_since + ARRIVING_SECONDS:
                if (message := channel.basic_get(QUEUE, no_ack=True)) is not None:
                    found.add(str(message.properties["correlation_id"]))
                    empty_since = None
                else:
                    empty_since = empty_since or time.monotonic()
                    time.sleep(0.1)
        return found

    def evaluate(self, expression: str) -> None:
        """Have the broker evaluate an Erlang expression: what it has no other way to be told while it runs."""
        script = server_script()
        assert script is not None
        command = [str(script.with_name("rabbitmqctl")), "--node", self.node.node_name, "eval", expression]
        subprocess.run(command, env=dict(self.node.environment or {}), check=True, capture_output=True, timeout=60)

    def use_broker(self, url: str) -> None:
        """Work with another broker from now on."""
        self._disconnect()
        self.settings["CELERY_BROKER_URL"] = url
        self.app = self._application()

    def end_programs(self) -> None:
        """Kill what was started for the scene."""
        for program in self._programs:
            program.kill()

    def close(self) -> None:
        """End everything that was started for the scene."""
        self.end_programs()
        self._disconnect()
        self.ledger.close()

    def _disconnect(self) -> None:
        backend: Any = self.app.backend
        with suppress(Exception):  # what is broken by now need not be closed in order
            backend.result_consumer.stop()
            backend.result_consumer.subscribed_to.clear()  # results that are collected later would connect again
            backend.client.close()
        with suppress(Exception):
            kombu.pools.reset()
        self.app.close()

    def _application(self) -> Celery:
        if self.is_ours:
            return create_app(read_settings(os.environ | self.settings))
        return create_stock(self.settings["CELERY_BROKER_URL"], self.settings["CELERY_RESULT_BACKEND"])

    def _start(self, program: Program, application: str) -> Program:
        program.start_timeout = START_LIMIT
        program.command[program.command.index("-A") + 1] = application
        self._programs.append(program)
        return program.start()
