"""SIGTERM with nobody else to handle it: everything that runs is stopped in order, and then the process ends."""

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Awaitable, Callable
from typing import TypeAlias

Stop: TypeAlias = Callable[[], Awaitable[None]]

logger = logging.getLogger(__name__)
_stops: dict[Stop, asyncio.AbstractEventLoop] = {}
_ending: set[asyncio.Task[None]] = set()


def stop_on_sigterm(stop: Stop) -> None:
    """Call `stop` when SIGTERM comes, unless the program has a handler of its own for that, which then decides."""
    loop = asyncio.get_running_loop()
    in_main_thread = threading.current_thread() is threading.main_thread()
    if in_main_thread and (loop in _stops.values() or signal.getsignal(signal.SIGTERM) is signal.SIG_DFL):
        if loop not in _stops.values():
            loop.add_signal_handler(signal.SIGTERM, _begin, loop)
        _stops[stop] = loop


def stopped(stop: Stop) -> None:
    """Forget `stop`; after the last one SIGTERM does again what it did before."""
    loop = _stops.pop(stop, None)
    if loop is not None and loop not in _stops.values() and not _ending:
        loop.remove_signal_handler(signal.SIGTERM)


def _begin(loop: asyncio.AbstractEventLoop) -> None:
    loop.remove_signal_handler(signal.SIGTERM)  # a second one ends the process at once
    _ending.add(loop.create_task(_end(loop)))


async def _end(loop: asyncio.AbstractEventLoop) -> None:
    mine = [stop for stop, of in _stops.items() if of is loop]
    for failure in await asyncio.gather(*(stop() for stop in mine), return_exceptions=True):
        if failure is not None:
            logger.error("Stopping failed: %s", failure)
    os.kill(os.getpid(), signal.SIGTERM)
