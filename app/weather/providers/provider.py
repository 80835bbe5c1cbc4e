"""What every weather service of ours can do."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from app.weather.answer import Answer
from app.weather.observation import Place
from app.weather.schedule import Missing


class Provider(Protocol):
    """A weather service."""

    @property
    def name(self) -> str:
        """The name in the rows of the weather file."""

    @property
    def past(self) -> timedelta:
        """How far back it can be asked; zero when it has no past values."""

    def observe(self, places: Sequence[Place], now: datetime, missing: Missing) -> Answer:
        """The current observation of each place, and the past ones at the times that are missing, by name of place.

        Raises ProviderUnreachable or ReplyNotUnderstood when there is no observation at all for that reason, StoreError
        when there is none and the service forbids requests for a time that cannot be kept on disk.
        """
