"""MET Norway's Locationforecast 2.0: GeoJSON with hourly steps from the current hour on, all times UTC.

Facts from https://docs.api.met.no/doc/locationforecast/datamodel: units stand in `properties.meta.units`; a step holds
`instant.details` and the coming hour in `next_1_hours`; the last steps have no such hour, some places lack variables.

The row's `precipitation_mm` is what the service expects in the hour that begins at `observed_at`: a forecast, where
Open-Meteo gives the sum of the quarter hour before. Its symbols are no WMO codes: `weather_code` is null.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from app.weather.errors import ReplyNotUnderstood
from app.weather.observation import Observation, Place
from app.weather.parsing.position import check_position
from app.weather.parsing.reply import decode, member
from app.weather.parsing.timing import check_current, from_iso
from app.weather.parsing.units import measure

NAME: Final = "met-norway"
SERVICE: Final = "MET Norway"
VARIABLES: Final[Mapping[str, str]] = {
    "temperature_c": "air_temperature",
    "humidity_percent": "relative_humidity",
    "pressure_hpa": "air_pressure_at_sea_level",
    "wind_speed_ms": "wind_speed",
    "wind_direction_deg": "wind_from_direction",
}
"""Our fields and MET Norway's variables at an instant."""

OLDEST: Final = timedelta(minutes=70)
"""An hour, as steps are hourly, and slack."""


def parse_locationforecast(body: bytes, place: Place, now: datetime) -> Observation:
    """The step of the forecast that began last before `now`.

    Raises ReplyNotUnderstood when the answer holds no such step that can be trusted; ProviderUnreachable when it is
    broken off.
    """
    document = decode(body, SERVICE)
    try:
        _check_position(document, place)
        observed_at, data = _step_at(document, now)
        check_current(observed_at, now, OLDEST)
        return Observation(place, observed_at, now, NAME, **_measured(data, _units(document)))
    except ValueError as error:
        raise ReplyNotUnderstood(f"{SERVICE} gave no row for {place.name}: {error}.") from None


def _check_position(document: object, place: Place) -> None:
    coordinates = member(document, "geometry", "coordinates")
    if not isinstance(coordinates, list) or len(coordinates) < 2:
        raise ValueError("the answer does not say where on the Earth it is")
    check_position(place, coordinates[1], coordinates[0])


def _step_at(document: object, now: datetime) -> tuple[datetime, object]:
    """The last step that began at or before `now`, or the first one if all begin later; the order is not relied on."""
    steps = member(document, "properties", "timeseries")
    if not isinstance(steps, list) or not steps:
        raise ValueError("the answer has no time series")
    timed = {from_iso(member(step, "time")): member(step, "data") for step in steps}
    begun = [time for time in timed if time <= now]
    chosen = max(begun) if begun else min(timed)
    return chosen, timed[chosen]


def _units(document: object) -> dict[str, object]:
    units = member(document, "properties", "meta", "units")
    if not isinstance(units, dict):
        raise ValueError("the answer states no units")  # noqa: TRY004 - of a reply, not of an argument
    return units


def _measured(data: object, units: Mapping[str, object]) -> dict[str, Any]:
    details = {field: (member(data, "instant", "details", name), name) for field, name in VARIABLES.items()}
    amount = member(data, "next_1_hours", "details", "precipitation_amount")
    details["precipitation_mm"] = amount, "precipitation_amount"
    return {field: measure(field, value, units.get(name)) for field, (value, name) in details.items()}
