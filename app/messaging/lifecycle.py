"""What is started and stopped: by hand, or by `async with`."""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class Service(ABC):
    """Something that is started before it is used and stopped after; `async with` does both."""

    @abstractmethod
    async def start(self) -> None:
        """Start it; does not block."""

    @abstractmethod
    async def stop(self) -> None:
        """Stop it; what is stopped may be stopped again."""

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()
