"""Open-Meteo: keyless, global, every place in one request, and another one for what is missing of the past.

Manners (https://open-meteo.com/en/terms and the service's RateLimiter.swift): each place of a request counts against
600 a minute, 5,000 an hour and 10,000 a day. The counters are cleared on the full minute, hour and at midnight UTC,
which the answer says in words and in no header.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Final

from app.weather.answer import Answer
from app.weather.errors import ProviderUnreachable, ReplyNotUnderstood, WeatherError
from app.weather.fetch import Reply, Request, fetch
from app.weather.observation import Place
from app.weather.parsing.open_meteo import NAME, SERVICE, VARIABLES, error_reason, parse_current, parse_past
from app.weather.providers.back_off import BackOff
from app.weather.providers.clock import Clock, clock_from
from app.weather.providers.endpoint import coordinate, endpoint, with_query
from app.weather.providers.headers import retry_after
from app.weather.schedule import Missing

STANDARD_PATH: Final = "/v1/forecast"
MAX_PLACES: Final = 500
"""Places of one request; the service takes 1,000."""
MAX_STEPS: Final = 100_000
"""Places times past quarters of an hour of one request: about 6 MB of answer."""
LONGEST_URL: Final = 4_000
"""Characters; beyond it the request is a POST. Common servers take 8,000."""
QUARTER: Final = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Batch:
    """The places of one request."""

    places: Sequence[Place]
    quarters: int
    """How many quarters of an hour of the past are asked for; none of them: the current values."""


class OpenMeteo:
    """The forecast service of Open-Meteo."""

    name = NAME
    past = timedelta(days=92)

    def __init__(self, url: str, user_agent: str, cache_folder: Path, deadline: float = 15.0) -> None:
        self._url = endpoint(url, STANDARD_PATH)
        self._headers = {"User-Agent": user_agent}
        self._deadline = deadline
        self._back_off = BackOff(cache_folder / "open-meteo.wait.json")

    def observe(self, places: Sequence[Place], now: datetime, missing: Missing) -> Answer:
        """The current observation of each place, and past ones where some are missing; see `Provider`.

        The past is asked for in requests of its own, and only for places that have a current observation: a place that
        is refused run after run would miss more and more, and make the requests for all the others grow.
        """
        clock = clock_from(now)
        current = self._gather(_batches(places, 0), clock, lambda body, asked: parse_current(body, asked, now))
        gaps = _gaps(current, missing)
        with_gaps = [place for place in places if place.name in gaps]
        try:
            batches = _past_batches(with_gaps, gaps, now)
            past = self._gather(batches, clock, lambda body, asked: parse_past(body, asked, now, gaps))
        except WeatherError as error:
            past = Answer([], [str(error)])
        return Answer(current.observations + past.observations, current.refused + past.refused)

    def _gather(
        self, batches: Iterable[Batch], clock: Clock, read: Callable[[bytes, Sequence[Place]], Answer]
    ) -> Answer:
        """What the answers for all `batches` hold; raises the last error when they hold no observation at all."""
        answer, errors = Answer(), list[WeatherError]()
        for batch in batches:
            try:
                part = read(self._ask(batch, clock), batch.places)
            except WeatherError as error:
                errors.append(error)
                if isinstance(error, ReplyNotUnderstood):
                    continue
                break
            answer.observations.extend(part.observations)
            answer.refused.extend(part.refused)
        if errors and not answer.observations:
            raise errors[-1]
        answer.refused.extend(str(error) for error in errors)
        return answer

    def _ask(self, batch: Batch, clock: Clock) -> bytes:
        self._back_off.check(clock())
        reply = fetch(self._request(batch))
        self._check_status(reply, clock())
        return reply.body

    def _request(self, batch: Batch) -> Request:
        parameters = {
            "latitude": ",".join(coordinate(place.latitude, 6) for place in batch.places),
            "longitude": ",".join(coordinate(place.longitude, 6) for place in batch.places),
            "wind_speed_unit": "ms",
            "timezone": "GMT",
            "timeformat": "unixtime",
        }
        if batch.quarters:
            parameters |= {
                "minutely_15": ",".join(VARIABLES.values()),
                "past_minutely_15": str(batch.quarters),
                "forecast_minutely_15": "1",
            }
        else:
            parameters["current"] = ",".join(VARIABLES.values())
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


def _gaps(current: Answer, missing: Missing) -> dict[str, list[datetime]]:
    """Of what is `missing`, the times before the current observation of each place, oldest first."""
    gaps = {
        seen.place.name: [time for time in sorted(missing.get(seen.place.name, ())) if time < seen.observed_at]
        for seen in current.observations
    }
    return {name: times for name, times in gaps.items() if times}


def _past_batches(places: Sequence[Place], gaps: Mapping[str, Sequence[datetime]], now: datetime) -> Iterator[Batch]:
    """Places whose gaps began at about the same time together, so that one long gap does not make all requests long."""
    reach = {place: min(-(-(now - gaps[place.name][0]) // QUARTER) + 1, OpenMeteo.past // QUARTER) for place in places}
    for _, group in groupby(sorted(reach, key=reach.__getitem__), lambda place: reach[place].bit_length()):
        alike = list(group)
        yield from _batches(alike, reach[alike[-1]])


def _batches(places: Sequence[Place], quarters: int) -> Iterator[Batch]:
    size = max(1, min(MAX_PLACES, MAX_STEPS // max(1, quarters)))
    return (Batch(places[start : start + size], quarters) for start in range(0, len(places), size))


def _seconds_to_wait(reason: str, now: datetime) -> float:
    """The seconds until the counter that `reason` names is cleared, and two for clocks that differ."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    passed = (now - midnight).total_seconds()
    window = {"Minutely": 60, "Hourly": 3_600, "Daily": 86_400}.get(reason.partition(" ")[0])
    if window is not None:
        return window - passed % window + 2
    return 5 if "concurrent" in reason else 60
