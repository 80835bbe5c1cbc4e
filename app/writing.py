"""Writing many AMQP messages to a broker at once: it is woken by each write, which costs it as much as a message."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from amqp.method_framing import frame_writer

HELD_BYTES = 16 * 1024
QUICKLY = 0.005
"""Seconds since the last write after which a message is written at once: where they come slowly, none is held."""


class Writer:
    """What writes to the connection of a py-amqp transport."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self._held = bytearray()
        self._last = 0.0
        self._may_hold = False

    @contextmanager
    def holding(self) -> Iterator[None]:
        """In the block, hold what is written until the next write outside, or `flush`."""
        self._may_hold = True
        try:
            yield
        finally:
            self._may_hold = False

    def write(self, frames: bytes | memoryview) -> None:
        """Write these after all that is held, or hold them too."""
        self._held += frames
        before, self._last = self._last, time.monotonic()
        if not self._may_hold or len(self._held) >= HELD_BYTES or self._last - before > QUICKLY:
            self.flush()

    def flush(self) -> None:
        """Write what is held; raises what the transport's `write` does."""
        held, self._held = self._held, bytearray()
        if held:
            self._transport.write(held)


def write_frames(connection: Any, transport: Any) -> Any:
    """Take the place of py-amqp's `frame_writer`; the writer is `connection.writer` from then on."""
    connection.writer = Writer(transport)
    return frame_writer(connection, connection.writer)
