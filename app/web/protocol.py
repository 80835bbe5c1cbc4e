"""HTTP as uvicorn speaks it, without patience for a connection that asks nothing."""

from asyncio import Transport

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 30.0


class Protocol(H11Protocol):
    """One connection; it is closed when the head of its first request has not come in time."""

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Begin."""
        super().connection_made(transport)
        self.loop.call_later(HEAD_SECONDS, self._close_unless_asked)

    def _close_unless_asked(self) -> None:
        if not self.cycle:
            self.transport.close()
