"""How a role that waits for messages ends: on Ctrl-C, on SIGTERM, or after as many messages as were asked for."""

import asyncio
import signal
from collections.abc import Callable

from app.messaging.lifecycle import Service

ENDINGS = (signal.SIGINT, signal.SIGTERM)


class Ending:
    """The end of a role: reached by a signal, by a count of messages, or by an error."""

    def __init__(self, count: int | None = None) -> None:
        self._left = count
        self._reached = asyncio.Event()
        self._error: Exception | None = None

    def count(self) -> None:
        """Count one message; the last one wanted ends the role."""
        if self._left is not None:
            self._left -= 1
            if self._left <= 0:
                self._reached.set()

    def fail(self, error: Exception) -> None:
        """End the role with `error`."""
        self._error = error
        self._reached.set()

    async def serve(self, service: Service, ready: Callable[[], None]) -> None:
        """Run `service` until the end is reached, then stop it in order; a second signal ends the process at once.

        Calls `ready` when it has started. Raises the error that the role failed with.
        """
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        for ending in ENDINGS:
            loop.add_signal_handler(ending, task.cancel if task else self._reached.set)
        async with service:
            for ending in ENDINGS:
                loop.add_signal_handler(ending, self._reached.set)
            ready()
            await self._reached.wait()
            for ending in ENDINGS:
                loop.remove_signal_handler(ending)
        if self._error is not None:
            raise self._error
