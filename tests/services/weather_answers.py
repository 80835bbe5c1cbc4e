"""The right answers of the two weather services for any place and time, in the shapes that they really have."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from math import cos, radians, sin

QUARTER = timedelta(minutes=15)
HOUR = timedelta(hours=1)

UNITS = {
    "temperature_2m": {"celsius": "°C", "fahrenheit": "°F"},
    "wind_speed_10m": {"kmh": "km/h", "ms": "m/s", "mph": "mp/h", "kn": "kn"},
    "precipitation": {"mm": "mm", "inch": "inch"},
}
CHOICES = {
    "temperature_2m": "temperature_unit",
    "wind_speed_10m": "wind_speed_unit",
    "precipitation": "precipitation_unit",
}
FACTORS = {"°F": (1.8, 32), "km/h": (3.6, 0), "mp/h": (1 / 0.44704, 0), "kn": (3600 / 1852, 0), "inch": (1 / 25.4, 0)}


class RequestError(Exception):
    """The service refuses the request with status 400 and this reason."""


def weather(latitude: float, longitude: float, moment: datetime) -> dict[str, float]:
    """The weather of this world: a function of place and time, in Open-Meteo's names and metric units."""
    hours = moment.timestamp() / 3600
    day = radians((hours + longitude / 15 - 14) * 15)
    front = radians(hours * 3.7 + latitude * 11 + longitude * 5)
    return {
        "temperature_2m": round(28 - abs(latitude) / 2 + 5 * cos(day) + 6 * sin(front), 1),
        "relative_humidity_2m": round(70 - 15 * cos(day) + 10 * sin(front)),
        "pressure_msl": round(1013 - 15 * sin(front / 2), 1),
        "wind_speed_10m": round(5 + 4 * sin(front) + 0.5 * cos(day), 1),
        "wind_direction_10m": round(front * 57.3) % 360,
        "precipitation": round(max(0.0, 3 * sin(front) - 2), 2),
        "weather_code": 61 if sin(front) > 2 / 3 else 3 if sin(front) > 0 else 1,
    }


def open_meteo(query: Mapping[str, str], now: datetime) -> object:
    """Open-Meteo's document for a request; raises RequestError as it would."""
    latitudes, longitudes = (_numbers(query, name) for name in ("latitude", "longitude"))
    if len(latitudes) != len(longitudes):
        raise RequestError("Parameter 'latitude' and 'longitude' must have the same number of elements")
    points = zip(latitudes, longitudes, strict=True)
    forecasts = [_forecast(*point, number, query, now) for number, point in enumerate(points)]
    return forecasts[0] if len(forecasts) == 1 else forecasts


def _numbers(query: Mapping[str, str], name: str) -> list[float]:
    try:
        return [float(number) for number in query[name].split(",")]
    except (KeyError, ValueError):
        raise RequestError(f"Parameter '{name}' must be a list of numbers") from None


def _forecast(latitude: float, longitude: float, number: int, query: Mapping[str, str], now: datetime) -> object:
    unix = query.get("timeformat") == "unixtime"

    def stamp(moment: datetime) -> int | str:
        return int(moment.timestamp()) if unix else moment.strftime("%Y-%m-%dT%H:%M")

    current = datetime.fromtimestamp(now.timestamp() // QUARTER.total_seconds() * QUARTER.total_seconds(), UTC)
    units = {"time": "unixtime" if unix else "iso8601"}
    document: dict[str, object] = {
        "latitude": round(latitude, 1),
        "longitude": round(longitude, 1),
        "generationtime_ms": 0.05,
        "utc_offset_seconds": 0,
        "timezone": "GMT",
        "timezone_abbreviation": "GMT",
        "elevation": 38.0,
    }
    if number:
        document["location_id"] = number
    if names := query.get("current", "").split(","):
        columns = {name: _column(name, query, latitude, longitude, [current]) for name in names if name}
        document["current_units"] = (
            units | {"interval": "seconds"} | {name: unit for name, (unit, _) in columns.items()}
        )
        document["current"] = {"time": stamp(current), "interval": 900} | {
            name: values[0] for name, (_, values) in columns.items()
        }
    if "minutely_15" in query:
        before, after = int(query.get("past_minutely_15", "0")), int(query.get("forecast_minutely_15", "672"))
        moments = [current + QUARTER * step for step in range(-before, after)]
        columns = {name: _column(name, query, latitude, longitude, moments) for name in query["minutely_15"].split(",")}
        document["minutely_15_units"] = units | {name: unit for name, (unit, _) in columns.items()}
        document["minutely_15"] = {"time": [stamp(moment) for moment in moments]} | {
            name: values for name, (_, values) in columns.items()
        }
    return document


def _column(
    name: str, query: Mapping[str, str], latitude: float, longitude: float, moments: Sequence[datetime]
) -> tuple[str, list[float]]:
    """The unit and the values of one variable, in the unit that the request asks for."""
    plain = {
        "relative_humidity_2m": "%",
        "pressure_msl": "hPa",
        "wind_direction_10m": "°",
        "weather_code": "wmo code",
    }
    units = UNITS.get(name, {"": plain.get(name, "")})
    unit = units.get(query.get(CHOICES.get(name, ""), ""), next(iter(units.values())))
    if not unit:
        raise RequestError(f"Cannot initialize Variable from invalid String value {name}")
    values = [weather(latitude, longitude, moment)[name] for moment in moments]
    if unit in FACTORS:
        factor, offset = FACTORS[unit]
        values = [round(value * factor + offset, 2) for value in values]
    return unit, values


def met_norway(latitude: float, longitude: float, now: datetime) -> object:
    """MET Norway's compact forecast: 48 hourly steps from the current hour on, then 6-hourly ones."""
    start = now.replace(minute=0, second=0, microsecond=0)
    hourly = [_step(latitude, longitude, start + HOUR * hour, 1) for hour in range(48)]
    later = [_step(latitude, longitude, start + HOUR * hour, 6) for hour in range(48, 72, 6)]
    return {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [longitude, latitude, 38]},
        "properties": {
            "meta": {
                "updated_at": start.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "units": {
                    "air_pressure_at_sea_level": "hPa",
                    "air_temperature": "celsius",
                    "cloud_area_fraction": "%",
                    "precipitation_amount": "mm",
                    "relative_humidity": "%",
                    "wind_from_direction": "degrees",
                    "wind_speed": "m/s",
                },
            },
            "timeseries": hourly + later,
        },
    }


def _step(latitude: float, longitude: float, moment: datetime, hours: int) -> object:
    values = weather(latitude, longitude, moment)
    details = {
        "air_pressure_at_sea_level": values["pressure_msl"],
        "air_temperature": values["temperature_2m"],
        "cloud_area_fraction": 50.0,
        "relative_humidity": values["relative_humidity_2m"],
        "wind_from_direction": values["wind_direction_10m"],
        "wind_speed": values["wind_speed_10m"],
    }
    coming = {"summary": {"symbol_code": "cloudy"}, "details": {"precipitation_amount": values["precipitation"]}}
    return {
        "time": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "data": {"instant": {"details": details}, f"next_{hours}_hours": coming},
    }
