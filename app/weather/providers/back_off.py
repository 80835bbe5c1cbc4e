"""What a service told us about waiting, remembered across restarts."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from app.weather.errors import ProviderUnreachable
from app.weather.files import replacing
from app.weather.observation import format_time, parse_time

LONGEST: Final = timedelta(days=1)


class BackOff:
    """Until when a service must not be asked, in a file of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def check(self, now: datetime) -> None:
        """Raise ProviderUnreachable while the service must not be asked."""
        try:
            kept = json.loads(self._path.read_bytes())
            until, sentence = parse_time(kept["until"]), str(kept["sentence"])
        except (OSError, ValueError, KeyError, TypeError):  # no such file, or not one of ours
            return
        if now < until <= now + LONGEST:  # later than that only after a clock was set back
            raise ProviderUnreachable(
                f"{sentence} It is not asked again before {format_time(until)}.", (until - now).total_seconds()
            )

    def remember(self, now: datetime, seconds: float, sentence: str) -> None:
        """Keep the service from being asked for `seconds`, a day at most; `sentence` says why."""
        until = now + min(timedelta(seconds=seconds), LONGEST)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(self._path) as new:
            new.write_text(json.dumps({"until": format_time(until), "sentence": sentence}))


def retry_after(header: str | None) -> float | None:
    """The seconds of a Retry-After header, a day at most; None for one that is missing or a date."""
    if header is None or not header.strip().isdecimal():
        return None
    return float(min(int(header.strip()[:9]), LONGEST.total_seconds()))
