"""Open-Meteo: keyless, global, every place and the past in one request.

Manners (https://open-meteo.com/en/terms and the service's RateLimiter.swift): each place of a request counts against
600 a minute, 5,000 an hour and 10,000 a day. The counters are cleared on the full minute, hour and at midnight UTC,
which the answer says in words and in no header.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from app.weather.answer import Answer
from app.weather.errors import ProviderUnreachable, ReplyNotUnderstood, WeatherError
from app.weather.fetch import Reply, Request, fetch
from app.weather.observation import Place
from app.weather.parsing.open_meteo import NAME, SERVICE, VARIABLES, error_reason, parse_forecast
from app.weather.providers.back_off import BackOff
from app.weather.providers.clock import clock_from
from app.weather.providers.endpoint import coordinate, endpoint, with_query
from app.weather.providers.headers import retry_after

STANDARD_PATH: Final = "/v1/forecast"
MAX_PLACES: Final = 500
"""Places of one request; the service takes 1,000."""
MAX_STEPS: Final = 100_000
"""Places times past quarters of an hour of one request: about 6 MB of answer."""
LONGEST_URL: Final = 4_000
"""Characters; beyond it the request is a POST. Common servers take 8,000."""
QUARTER: Final = timedelta(minutes=15)


class OpenMeteo:
    """The forecast service of Open-Meteo."""

    name = NAME
    past = timedelta(days=92)

    def __init__(self, url: str, user_agent: str, cache_folder: Path, deadline: float = 15.0) -> None:
        self._url = endpoint(url, STANDARD_PATH)
        self._headers = {"User-Agent": user_agent}
        self._deadline = deadline
        self._back_off = BackOff(cache_folder / "open-meteo.wait.json")

    def observe(self, places: Sequence[Place], now: datetime, missing: Mapping[str, Collection[datetime]]) -> Answer:
        """The current observation of each place, and past ones where some are missing; see `Provider`."""
        clock, answer = clock_from(now), Answer()
        quarters = _quarters_back(now, missing)
        for batch in _batches(places, quarters):
            try:
                part = self._ask(batch, now, clock, quarters, missing)
            except WeatherError as error:
                if not answer.observations:
                    raise
                answer.refused.append(str(error))
                break
            answer.observations.extend(part.observations)
            answer.refused.extend(part.refused)
        return answer

    def _ask(
        self,
        places: Sequence[Place],
        now: datetime,
        clock: Callable[[], datetime],
        quarters: int,
        missing: Mapping[str, Collection[datetime]],
    ) -> Answer:
        self._back_off.check(clock())
        reply = fetch(self._request(places, quarters))
        self._check_status(reply, clock())
        return parse_forecast(reply.body, places, now, missing)

    def _request(self, places: Sequence[Place], quarters: int) -> Request:
        parameters = {
            "latitude": ",".join(coordinate(place.latitude, 6) for place in places),
            "longitude": ",".join(coordinate(place.longitude, 6) for place in places),
            "current": ",".join(VARIABLES.values()),
            "wind_speed_unit": "ms",
            "timezone": "GMT",
            "timeformat": "unixtime",
        }
        if quarters:
            parameters |= {
                "minutely_15": ",".join(VARIABLES.values()),
                "past_minutely_15": str(quarters),
                "forecast_minutely_15": "1",
            }
        url = with_query(self._url, parameters)
        if len(url) <= LONGEST_URL:
            return Request(SERVICE, url, self._headers, deadline=self._deadline)
        return Request(SERVICE, self._url, self._headers, form=parameters, deadline=self._deadline)

    def _check_status(self, reply: Reply, now: datetime) -> None:
        """Raise for every reply but one with status 200 and no error in its body."""
        reason = error_reason(reply.body)
        limited = reply.status == 429 or "limit exceeded" in reason
        if reply.status == 200 and not limited:
            return
        sentence = _sentence(reply.status, reason, limited)
        stated = retry_after(reply.headers.get("retry-after"), now) or 0
        if wait := max(stated, _seconds_to_wait(reason, now) if limited else 0):
            raise self._back_off.remember(now, wait, sentence)
        if reply.status >= 500 or reply.status == 408:
            raise ProviderUnreachable(sentence)
        raise ReplyNotUnderstood(sentence)


def _sentence(status: int, reason: str, limited: bool) -> str:
    """What a refusal says, with the service's own reason where there is one."""
    if limited:
        said = f"{SERVICE} has had too many requests from this address"
    elif status >= 500 or status == 408:
        said = f"{SERVICE} is in trouble (status {status})"
    else:
        said = f"{SERVICE} answered with status {status} instead of 200"
    return f"{said}: {reason}".rstrip(".: ") + "."


def _quarters_back(now: datetime, missing: Mapping[str, Collection[datetime]]) -> int:
    """How many quarters of an hour before now reach the oldest missing time; 0 when none is missing."""
    times = [time for wanted in missing.values() for time in wanted]
    return min(-(-(now - min(times)) // QUARTER) + 1, OpenMeteo.past // QUARTER) if times else 0


def _batches(places: Sequence[Place], quarters: int) -> Iterator[Sequence[Place]]:
    size = max(1, min(MAX_PLACES, MAX_STEPS // max(1, quarters)))
    return (places[start : start + size] for start in range(0, len(places), size))


def _seconds_to_wait(reason: str, now: datetime) -> float:
    """The seconds until the counter that `reason` names is cleared, and two for clocks that differ."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    passed = (now - midnight).total_seconds()
    window = {"Minutely": 60, "Hourly": 3_600, "Daily": 86_400}.get(reason.partition(" ")[0])
    if window is not None:
        return window - passed % window + 2
    return 5 if "concurrent" in reason else 60
