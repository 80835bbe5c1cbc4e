"""A role of `python -m app.messaging` that is played by a process of its own."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self, TypeAlias

from app.experiments.trace import Told

Tell: TypeAlias = Callable[[Told], None]

PROJECT = Path(__file__).parents[2]
STOP_SECONDS = 10.0
LONGEST_LINE = 1 << 20


class RoleFailed(RuntimeError):
    """A role could not do its part; the message is what it said."""


class Player:
    """One process. What it tells is given to `tell`, and what it complains about is kept."""

    def __init__(self, name: str, process: Process, tell: Tell, on_end: Callable[[], None]) -> None:
        self.name = name
        self.killed = False
        self._process = process
        self._tell = tell
        self._reading = asyncio.ensure_future(self._read())
        self._reading.add_done_callback(lambda _: on_end())

    @classmethod
    async def start(
        cls, name: str, words: Sequence[str], folder: Path, url: str, tell: Tell, on_end: Callable[[], None]
    ) -> Self:
        """Start the role that `words` say, in `folder`, on the RabbitMQ at `url`; `on_end` is called at its end."""
        paths = [str(PROJECT), *filter(None, [os.environ.get("PYTHONPATH")])]
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "app.messaging", words[0], "--json", *words[1:]),
            cwd=folder,
            env=os.environ | {"RABBITMQ_URL": url, "PYTHONPATH": os.pathsep.join(paths)},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=PIPE,
            stderr=PIPE,
            limit=LONGEST_LINE,
            start_new_session=True,  # Ctrl-C in the terminal reaches the demo, which then ends its roles
        )
        return cls(name, process, tell, on_end)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.returncode

    async def ended(self) -> tuple[int, str]:
        """Wait for its end, and give its exit code and its last complaint."""
        # Whoever waits here may give up; the reading goes on.
        complaint = await asyncio.shield(self._reading)
        return await self._process.wait(), complaint

    async def stop(self) -> None:
        """Ask it to end in order, and wait for that.

        Raises RoleFailed when it takes too long or ends with an error.
        """
        self._send(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_SECONDS):
                code, complaint = await self.ended()
        except TimeoutError:
            self.kill()
            raise RoleFailed(f"{self.name} did not end within {STOP_SECONDS:g} s.") from None
        if code and not self.killed:
            raise RoleFailed(complaint or f"{self.name} ended with exit code {code}.")

    def kill(self) -> None:
        """End it as a power cut does."""
        self.killed = True
        self._send(signal.SIGKILL)

    def _send(self, number: signal.Signals) -> None:
        # Process.send_signal() looks first whether the process has ended, and so may take the exit code away
        # from asyncio's own waiting thread, which then reports 255 (https://github.com/python/cpython/issues/87744).
        if self.exit_code is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    async def _read(self) -> str:
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        assert self._process.stderr is not None  # noqa: S101 - it is a pipe
        complaints = asyncio.ensure_future(self._process.stderr.read())
        async for line in self._process.stdout:
            if line.endswith(b"\n"):  # else it was killed in the middle of the line
                self._tell(Told.from_line(line.decode()))
        await self._process.wait()
        last = (await complaints).decode(errors="replace").strip().splitlines()[-1:]
        return "".join(last)
