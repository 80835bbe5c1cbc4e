"""Open-Meteo's forecast reply: one object for one place, an array for more, times and units stated beside the values.

Facts from https://open-meteo.com/en/docs and the service's source: `current.time` is the server's clock floored to a
quarter of an hour; precipitation is the sum of the preceding 15 minutes; coordinates are those of the grid cell;
`location_id` is left out where it is 0.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from app.weather.answer import Answer
from app.weather.errors import ProviderUnreachable, ReplyNotUnderstood
from app.weather.observation import Observation, Place, format_time
from app.weather.parsing.position import check_position
from app.weather.parsing.quoting import LONGEST_REASON, readable
from app.weather.parsing.reply import decode, member
from app.weather.parsing.timing import check_current, from_iso, from_unix
from app.weather.parsing.units import measure
from app.weather.schedule import Missing

NAME: Final = "open-meteo"
SERVICE: Final = "Open-Meteo"
VARIABLES: Final[Mapping[str, str]] = {
    "temperature_c": "temperature_2m",
    "humidity_percent": "relative_humidity_2m",
    "pressure_hpa": "pressure_msl",
    "wind_speed_ms": "wind_speed_10m",
    "wind_direction_deg": "wind_direction_10m",
    "precipitation_mm": "precipitation",
    "weather_code": "weather_code",
}
"""Our fields and Open-Meteo's variables."""

OLDEST: Final = timedelta(minutes=45)
"""A quarter of an hour, as the time is floored, and slack; less than an hour, so that local time is noticed."""
INTERVAL_SECONDS: Final = 900
"""What current values are for; with another one, precipitation would be the sum of another span."""


def parse_current(body: bytes, places: Sequence[Place], now: datetime) -> Answer:
    """The current observation of each of `places`.

    Raises ReplyNotUnderstood when the answer is not one for these places; ProviderUnreachable when it is broken off.
    """
    answer = Answer()
    for place, forecast in zip(places, _in_order(decode(body, SERVICE), len(places)), strict=True):
        try:
            answer.observations.append(_current(forecast, place, now))
        except ValueError as error:
            answer.refused.append(f"{SERVICE} gave no row for {place.name}: {error}.")
    return answer


def parse_past(body: bytes, places: Sequence[Place], now: datetime, missing: Missing) -> Answer:
    """The observations of `places` at the times that are `missing`, marked as backfilled; raises as above."""
    answer = Answer()
    for place, forecast in zip(places, _in_order(decode(body, SERVICE), len(places)), strict=True):
        past = _past(forecast, place, now, sorted(missing[place.name]))
        answer.observations.extend(past.observations)
        answer.refused.extend(past.refused)
    return answer


def error_reason(body: bytes) -> str:
    """The reason in a reply that reports an error, on one line and not too long; empty when it reports none."""
    if len(body) > 4096 or b'"reason"' not in body:
        return ""
    try:
        document = decode(body, SERVICE)
    except (ProviderUnreachable, ReplyNotUnderstood):
        return ""
    reason = member(document, "reason")
    return readable(reason, LONGEST_REASON) if reason is not None else ""


def _in_order(document: object, count: int) -> list[dict[str, object]]:
    """The forecasts in the order in which their places were asked for."""
    if member(document, "error") is not None:
        reason = readable(member(document, "reason"), LONGEST_REASON)
        raise ReplyNotUnderstood(f"{SERVICE} refused the request: {reason.rstrip('.')}.")
    elements = document if isinstance(document, list) else [document]
    forecasts = [element for element in elements if isinstance(element, dict)]
    if len(elements) != count:
        raise ReplyNotUnderstood(f"{SERVICE} answered for {len(elements)} places when {count} were asked for.")
    if len(forecasts) != count:
        raise ReplyNotUnderstood(f"{SERVICE} answered with something else than forecasts.")
    if not any("location_id" in forecast for forecast in forecasts):
        return forecasts
    numbered = {number: forecast for forecast in forecasts if type(number := forecast.get("location_id", 0)) is int}
    if sorted(numbered) != list(range(count)):
        raise ReplyNotUnderstood(f"{SERVICE} numbered the places of its answer wrongly.")
    return [numbered[number] for number in range(count)]


def _current(forecast: Mapping[str, object], place: Place, now: datetime) -> Observation:
    check_position(place, forecast.get("latitude"), forecast.get("longitude"))
    values, units = forecast.get("current"), forecast.get("current_units")
    if not isinstance(values, dict) or not isinstance(units, dict):
        raise ValueError("the answer has no current values")  # noqa: TRY004 - of a reply, not of an argument
    observed_at = _time(values.get("time"), units, forecast)
    check_current(observed_at, now, OLDEST)
    _check_quarter(observed_at, values.get("interval"))
    measured: dict[str, Any] = {
        field: measure(field, values.get(name), units.get(name)) for field, name in VARIABLES.items()
    }
    return Observation(place, observed_at, now, NAME, **measured)


def _check_quarter(observed_at: datetime, interval: object) -> None:
    """Raise ValueError for what is no quarter of an hour: a second run in that quarter would write a second row."""
    if isinstance(interval, bool) or interval != INTERVAL_SECONDS:
        raise ValueError(f"its values are for '{readable(interval)}' seconds and not for {INTERVAL_SECONDS}")
    if observed_at.timestamp() % INTERVAL_SECONDS:
        raise ValueError(f"its time {observed_at:%Y-%m-%dT%H:%M:%SZ} is no whole quarter of an hour")


def _time(value: object, units: Mapping[str, object], forecast: Mapping[str, object]) -> datetime:
    """The moment of one value: in seconds since 1970, or local to the offset that the answer states."""
    if units.get("time") == "unixtime":
        return from_unix(value)
    return from_iso(value, forecast.get("utc_offset_seconds"))


def _past(forecast: Mapping[str, object], place: Place, now: datetime, times: Sequence[datetime]) -> Answer:
    """The observations at `times`; what is not there is told in one sentence, with the first reason."""
    found: list[Observation] = []
    reasons: list[str] = []
    try:
        check_position(place, forecast.get("latitude"), forecast.get("longitude"))
        steps = _steps(forecast)
    except ValueError as error:
        return Answer([], [f"{SERVICE} gave no past values for {place.name}: {error}."])
    for time in times:
        try:
            measured: dict[str, Any] = {field: measure(field, *value) for field, value in steps.get(time, {}).items()}
            found.append(Observation(place, time, now, NAME, backfilled=True, **measured))
        except ValueError as error:
            reasons.append(f"of {format_time(time)} {error}")
    more = f", and {len(reasons) - 1} more" if len(reasons) > 1 else ""
    sentence = f"{SERVICE} gave no past value for {place.name}: that {reasons[0]}{more}." if reasons else ""
    return Answer(found, [sentence] if sentence else [])


def _steps(forecast: Mapping[str, object]) -> dict[datetime, dict[str, tuple[object, object]]]:
    """The value and unit of every field at each time of the 15-minute series."""
    series, units = forecast.get("minutely_15"), forecast.get("minutely_15_units")
    times = member(series, "time")
    if not isinstance(series, dict) or not isinstance(units, dict) or not isinstance(times, list):
        raise ValueError("the answer has no 15-minute series")  # noqa: TRY004 - of a reply, not of an argument
    columns = {field: series[name] for field, name in VARIABLES.items() if series.get(name) is not None}
    if any(not isinstance(column, list) or len(column) != len(times) for column in columns.values()):
        raise ValueError("the 15-minute series are not as long as their times")
    steps = {
        _time(time, units, forecast): {
            field: (column[row], units.get(VARIABLES[field])) for field, column in columns.items()
        }
        for row, time in enumerate(times)
    }
    if len(steps) != len(times):
        raise ValueError("the times of the 15-minute series repeat")
    return steps
