"""Drawing in processes of its own, so that whoever asks for a report can go on listening meanwhile."""

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from threading import Thread
from typing import Final, ParamSpec, TypeVar

from app.reporting.errors import ReportError

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
ATTEMPTS: Final = 2
"""A process that dies takes with it what its neighbours do: those may try again."""


class Processes:
    """A fixed number of processes, which end with the one that made them, however that ends."""

    def __init__(self, count: int, limit: float) -> None:
        self.count = count
        self._limit = limit
        self._pool = _new_pool(count)

    async def run(
        self, function: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Result:
        """Call `function` in one of the processes.

        Raises what it raises, and ReportError when its process dies, or takes longer than `limit` seconds.
        """
        try:
            async with asyncio.timeout(self._limit):
                return await self._run(function, *args, **kwargs)
        except TimeoutError:
            self._replace()
            raise ReportError(f"The report was not drawn within {self._limit:g} s; ask for fewer days.") from None

    async def _run(
        self, function: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Result:
        for _ in range(ATTEMPTS):
            pool = self._pool
            try:
                return await asyncio.wrap_future(pool.submit(function, *args, **kwargs))
            except BrokenProcessPool:
                if self._pool is pool:
                    self._pool = _new_pool(self.count)
        raise ReportError("The process that drew the report has died; ask again, or for fewer days.")

    def _replace(self) -> None:
        # One that hangs would keep its place for ever. The pool does not tell which it is; other calls are repeated.
        self._pool.shutdown(wait=False)
        self._pool = _new_pool(self.count)
        for process in multiprocessing.active_children():
            process.kill()

    async def warm_up(self) -> None:
        """Start all processes and let them load what they need, so that the first report is not the slow one."""
        await asyncio.gather(*(self._run(_load) for _ in range(self.count)))

    async def close(self) -> None:
        """End the processes when they have done what they do."""
        await asyncio.to_thread(self._pool.shutdown, cancel_futures=True)


def _new_pool(count: int) -> ProcessPoolExecutor:
    # A fork would have the sockets of this process, and keep them open.
    return ProcessPoolExecutor(count, multiprocessing.get_context("spawn"), _prepare)


def _prepare() -> None:
    # Ctrl-C reaches the whole group; the one that made them says when they end.
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)


def _load() -> None:
    import app.reporting.document  # noqa: F401 - loading it is what takes time
