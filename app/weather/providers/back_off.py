"""What a service told us about waiting, remembered across restarts."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from app.weather.errors import ProviderUnreachable, StoreError
from app.weather.files import replacing
from app.weather.observation import format_time, parse_time

LONGEST: Final = timedelta(days=1)
"""No service is left alone for longer, whatever it says."""
SLACK: Final = timedelta(hours=1)
"""How far a clock may go back before a wait counts as noted by a wrong one."""
SECOND: Final = timedelta(seconds=1)


class BackOff:
    """Until when a service must not be asked, in a file of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def check(self, now: datetime) -> None:
        """Raise ProviderUnreachable while the service must not be asked."""
        if kept := self._kept(now):
            until, sentence = kept
            raise ProviderUnreachable(
                f"{sentence} It is not asked again before {format_time(until)}.", (until - now).total_seconds()
            )

    def remember(self, now: datetime, seconds: float, sentence: str) -> ProviderUnreachable:
        """Keep the service from being asked for `seconds`, a day at most; returns the error that says why.

        A longer wait that another run has noted stays. Raises StoreError when the wait cannot be noted: a run that went
        on, or came again, would ask a service that has forbidden it.
        """
        wait = min(timedelta(seconds=seconds), LONGEST)
        kept = self._kept(now)
        if kept is None or kept[0] < now + wait:
            try:
                self._write((now + wait + SECOND).replace(microsecond=0), sentence)
            except OSError as error:
                raise StoreError(
                    f"{sentence} That cannot be noted in {self._path}: {error.strerror or error}."
                ) from None
        return ProviderUnreachable(sentence, wait.total_seconds())

    def _kept(self, now: datetime) -> tuple[datetime, str] | None:
        """The end of the wait and its reason; None when it is over, was noted by a wrong clock, or was never noted."""
        try:
            kept = json.loads(self._path.read_bytes())
            until, sentence = parse_time(kept["until"]), str(kept["sentence"])
        except (OSError, ValueError, KeyError, TypeError):  # no such file, or not one of ours
            return None
        return (until, sentence) if now < until <= now + LONGEST + SLACK else None

    def _write(self, until: datetime, sentence: str) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(self._path) as new:
            new.write_text(json.dumps({"until": format_time(until), "sentence": sentence}))
