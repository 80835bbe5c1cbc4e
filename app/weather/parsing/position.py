"""Whether an answer speaks of the place that was asked about."""

from math import asin, cos, degrees, radians, sin, sqrt
from typing import Final

from app.weather.observation import Place

FARTHEST: Final = 0.6
"""Degrees of arc between a place and the middle of its grid cell.

The coarsest model of either service has cells of 0.25°; a cell over land may be preferred to a nearer one at sea.
"""


def check_position(place: Place, latitude: object, longitude: object) -> None:
    """Raise ValueError when an answer's coordinates are not those of a grid cell at `place`.

    Places themselves are matched by their order; this notices an order that was mixed up.
    """
    if not (_is_degrees(latitude, 90) and _is_degrees(longitude, 360)):
        raise ValueError("the answer does not say where on the Earth it is")
    arc = _arc(place, float(str(latitude)), float(str(longitude)))
    if arc > FARTHEST:
        raise ValueError(f"the answer is for {latitude}, {longitude}, which is {arc * 111:.0f} km away")


def _is_degrees(value: object, limit: int) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and -limit <= value <= limit


def _arc(place: Place, latitude: float, longitude: float) -> float:
    """The great-circle distance in degrees, by the haversine formula: right across the date line and at the poles."""
    north, other = radians(place.latitude), radians(latitude)
    half = sin((other - north) / 2) ** 2 + cos(north) * cos(other) * sin(radians(longitude - place.longitude) / 2) ** 2
    return degrees(2 * asin(sqrt(min(1, half))))
