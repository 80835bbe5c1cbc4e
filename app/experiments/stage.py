"""Where an experiment is played: its roles, queues, exchanges and files, and waiting for what must happen."""

import asyncio
import json
import shlex
import tempfile
import uuid
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from app.experiments.broker import Broker
from app.experiments.player import Player, RoleFailed
from app.experiments.trace import RABBITMQ, Told, Trace, text
from app.messaging import names, play
from app.messaging.command_line import PROGRAM
from app.messaging.roles.steps import Action, Step

ADDRESSES = {"--queue": "queue", "--exchange": "exchange", "--bus": "exchange"}
"""The options that say where a role sends or listens, and what each names."""
DEFAULTS = {
    "send": ("--queue", names.HELLO.name),
    "receive": ("--queue", names.HELLO.name),
    "rpc-call": ("--queue", names.RPC.name),
    "rpc-serve": ("--queue", names.RPC.name),
    "log": ("--bus", names.EVENTS.name),
    "logger": ("--bus", names.EVENTS.name),
    "generate": ("--exchange", names.MEDIA.name),
    "client": ("--exchange", names.MEDIA.name),
}


class Late(RuntimeError):
    """Something did not happen in time; the message says what."""


class Stage:
    """Used as `async with Stage(…)`: at its end no process, no file, and no queue or exchange of its own is left.

    Each role is given queues and exchanges of this stage's own, so that nobody else on the broker is disturbed.
    """

    def __init__(self, broker: Broker, trace: Trace, commands: list[str], limit: float) -> None:
        self.broker = broker
        self.trace = trace
        self._commands = commands
        self._limit = limit
        self._suffix = f".demo-{uuid.uuid4().hex[:6]}"
        self._declared: dict[str, set[str]] = {"queue": set(), "exchange": set()}
        self._missing: dict[str, list[str]] = {"queue": [], "exchange": []}
        self._players: list[Player] = []
        self._standing: list[Player] = []
        self._news = asyncio.Event()
        self._folder = tempfile.TemporaryDirectory(prefix="weatherbeat-")

    async def enter(self, *commands: str) -> list[Player]:
        """Start roles that wait for messages, each until it waits."""
        players = [await self._start(command) for command in commands]
        self._standing += players
        for player in players:
            await self.until(f"{player.name} waits for messages", partial(self._waits, player))
        return players

    async def play(self, command: str, *, fails: bool = False) -> None:
        """Play a role that ends by itself; the reason of one that `fails` becomes a step.

        Raises RoleFailed when it fails for another reason than that its message came back, Late when it does not end.
        """
        player = await self._start(command)
        try:
            async with asyncio.timeout(self._limit):
                code, complaint = await player.ended()
        except TimeoutError:
            raise Late(f"Waited {self._limit:g} s for the end of: {command}") from None
        if code and fails:
            self._tell(Told(player.name, Step("failed", note=complaint)))
        elif code and not self.trace.steps(player.name, "returned"):
            raise RoleFailed(complaint or f"{player.name} ended with exit code {code}.")

    async def until(self, description: str, condition: Callable[[], bool]) -> None:
        """Wait until `condition` is true.

        Raises Late, with the `description`, when that takes too long, and RoleFailed when a role ends with an error.
        """
        try:
            async with asyncio.timeout(self._limit):
                while not condition():
                    self._news.clear()
                    await self._check_standing()
                    await self._news.wait()
        except TimeoutError:
            raise Late(f"Waited {self._limit:g} s, and it never came true: {description}") from None

    async def until_told(self, who: str, count: int, action: Action = "received") -> None:
        """Wait until `who` has told that it received (or handled, …) `count` messages; raises as `until` does."""
        await self.until(f"{who} has {action} {count}", lambda: len(self.trace.steps(who, action)) >= count)

    def kill(self, player: Player) -> None:
        """End a role with kill -9."""
        player.kill()
        self._commands.append(f"# then, in another terminal: kill -9 the process of {player.name}")
        self._tell(Told(player.name, Step("failed", note="killed")))

    async def stop(self, *players: Player) -> None:
        """End roles as Ctrl-C does: each finishes what it has in hand. Raises RoleFailed when one does not."""
        await asyncio.gather(*(player.stop() for player in players or self._standing))
        self._read_files()

    def write(self, name: str, content: object) -> None:
        """Write a file for a role."""
        line = json.dumps(content)
        (Path(self._folder.name) / name).write_text(line + "\n")
        self._commands.append(f"echo {shlex.quote(line)} > {name}")

    def own(self, kind: str, name: str) -> str:
        """This stage's own queue or exchange in the place of the one of that `name`."""
        own = name + self._suffix
        self._declared[kind].add(own)
        return own

    async def borrow(self, queues: Iterable[str], exchanges: Iterable[str]) -> None:
        """Say that roles use these, which others may use too; those that are made now are deleted when nobody does."""
        self._missing["queue"] = [name for name in queues if await self.broker.in_use(name) is None]
        self._missing["exchange"] = [name for name in exchanges if not await self.broker.has_exchange(name)]

    def observe(self, step: Step) -> None:
        """Note what RabbitMQ itself says."""
        self._tell(Told(RABBITMQ, step))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for player in self._players:
            player.kill()
        await asyncio.gather(*(player.ended() for player in self._players), return_exceptions=True)
        self._read_files()
        self._folder.cleanup()
        await self.broker.delete(self._declared["queue"], self._declared["exchange"])
        await self.broker.delete(self._missing["queue"], self._missing["exchange"], unused=True)

    async def _start(self, command: str) -> Player:
        self._commands.append(f"{PROGRAM} {command}")
        words = self._addressed(shlex.split(command))
        name = words[words.index("--name") + 1] if "--name" in words else words[0]
        self.trace.cast.append(name)
        player = await Player.start(name, words, Path(self._folder.name), self.broker.url, self._tell, self._news.set)
        self._players.append(player)
        return player

    def _addressed(self, words: list[str]) -> list[str]:
        """The words of a command, with queues and exchanges of our own."""
        for position, word in enumerate(words):
            if word in ADDRESSES:
                return [*words[: position + 1], self.own(ADDRESSES[word], words[position + 1]), *words[position + 2 :]]
        if words[0] in ("emit", "listen"):
            option, default = "--exchange", play.KINDS[words[1]].name
        elif words[0] in DEFAULTS:
            option, default = DEFAULTS[words[0]]
        else:
            return words
        return [words[0], option, self.own(ADDRESSES[option], default), *words[1:]]

    def _tell(self, told: Told) -> None:
        self.trace.told.append(told)
        self._read_files()
        self._news.set()

    def _read_files(self) -> None:
        folder = Path(self._folder.name)
        for file in sorted(folder.glob("*.log")) + sorted(folder.glob("*.jsonl")):
            lines = file.read_text().split("\n")[:-1]  # what stands after the last line break is not written yet
            self.trace.files[file.name] = [text(json.loads(line)["data"]) for line in lines]

    def _waits(self, player: Player) -> bool:
        return player.name in self.trace.waiting()

    async def _check_standing(self) -> None:
        for player in self._standing:
            if player.exit_code and not player.killed:
                await player.stop()  # which says why it has ended
