"""Values in the units of the weather file, whatever unit the service states beside them."""

from collections.abc import Mapping
from typing import Final

from app.weather.observation import check_finite, check_value
from app.weather.parsing.quoting import readable

Linear = tuple[float, float]
"""Factor and offset: the value in our unit is value * factor + offset."""

SAME: Final[Linear] = (1, 0)
_METRES_A_SECOND: Final[Mapping[str, Linear]] = {
    "m/s": SAME,
    "km/h": (1 / 3.6, 0),
    "mp/h": (0.44704, 0),  # as Open-Meteo writes miles an hour
    "mph": (0.44704, 0),
    "kn": (1852 / 3600, 0),
}
UNITS: Final[Mapping[str, Mapping[str, Linear]]] = {
    "temperature_c": {"°C": SAME, "celsius": SAME, "°F": (5 / 9, -160 / 9), "K": (1, -273.15)},
    "humidity_percent": {"%": SAME},
    "pressure_hpa": {"hPa": SAME, "Pa": (0.01, 0)},
    "wind_speed_ms": _METRES_A_SECOND,
    "wind_direction_deg": {"°": SAME, "degrees": SAME},
    "precipitation_mm": {"mm": SAME, "cm": (10, 0), "inch": (25.4, 0)},
    "weather_code": {"wmo code": SAME},
}
"""For each measured field, the units that are understood. The factors are exact by definition."""


def measure(field: str, value: object, unit: object) -> float | None:
    """`value` in the unit of the weather file, or None when it is null.

    Converted values are rounded to two decimals. A wind from 360° is one from 0°.
    Raises ValueError, with a sentence, for what is no finite number, has an unknown unit or cannot be true.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{field} is '{readable(value)}', which is no number")  # noqa: TRY004 - of a reply
    check_finite(field, value)
    linear = UNITS[field].get(unit) if isinstance(unit, str) else None
    if linear is None:
        raise ValueError(f"{field} has the unit '{readable(unit)}', which is not understood")
    return _settled(field, value if linear == SAME else round(value * linear[0] + linear[1], 2))


def _settled(field: str, value: float) -> float:
    """`value` in the one form that the file uses for it."""
    check_value(field, value)
    if field == "weather_code":
        if value != int(value):
            raise ValueError(f"{field} is {value:g}, which is no whole number")
        return int(value)
    if field == "wind_direction_deg" and value == 360:
        return 0
    return value + 0  # turns -0.0 into 0.0 and leaves whole numbers whole
