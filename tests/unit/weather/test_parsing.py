"""Values, units, times, positions and addresses, one at a time."""

from datetime import UTC, datetime, timedelta

import pytest

from app.weather.errors import ReplyNotUnderstood
from app.weather.fetch import redirect_target
from app.weather.observation import Place
from app.weather.parsing.position import check_position
from app.weather.parsing.quoting import readable
from app.weather.parsing.timing import check_current, from_iso, from_unix
from app.weather.parsing.units import measure
from app.weather.providers.endpoint import coordinate, endpoint, with_query
from app.weather.schedule import slot_minutes, slots_between


@pytest.mark.parametrize(
    ("field", "value", "unit", "expected"),
    [
        ("temperature_c", 84.1, "°F", 28.94),
        ("temperature_c", -40, "°F", -40),
        ("temperature_c", 273.15, "K", 0),
        ("temperature_c", 2.3, "°C", 2.3),
        ("temperature_c", 2, "celsius", 2),
        ("wind_speed_ms", 36, "km/h", 10),
        ("wind_speed_ms", 10, "mp/h", 4.47),
        ("wind_speed_ms", 10, "mph", 4.47),
        ("wind_speed_ms", 10, "kn", 5.14),
        ("precipitation_mm", 0.5, "inch", 12.7),
        ("precipitation_mm", 1.2, "cm", 12),
        ("pressure_hpa", 101325, "Pa", 1013.25),
        ("wind_direction_deg", 360, "°", 0),
        ("weather_code", 3.0, "wmo code", 3),
        ("precipitation_mm", None, "furlong", None),
    ],
)
def test_values_come_in_our_units(field: str, value: float | None, unit: str, expected: float | None) -> None:
    """A value is converted from the unit that the answer states."""
    assert measure(field, value, unit) == expected


def test_minus_zero_is_zero() -> None:
    """Services write -0; the file has no such number."""
    assert str(measure("temperature_c", -0.0, "°C")) == "0.0"


@pytest.mark.parametrize(
    ("field", "value", "unit"),
    [
        ("weather_code", 3.5, "wmo code"),
        ("temperature_c", "2", "°C"),
        ("temperature_c", True, "°C"),
        ("temperature_c", 20, None),
        ("temperature_c", 20, "°X"),
        ("temperature_c", 10**400, "°F"),
        ("wind_speed_ms", 20, "Bft"),
        ("humidity_percent", 101, "%"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_is_no_value_is_refused(field: str, value: object, unit: object) -> None:
    """What is no number, has no known unit or cannot be true is a phrase that names the field."""
    with pytest.raises(ValueError, match=f"^{field} "):
        measure(field, value, unit)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a\t b\r\nc", "a b c"),
        ("\x1b[31mred\x1b[0m", "?[31mred?[0m"),
        ("\ud800\u202e\x9b", "???"),
        ("°F", "°F"),
        ("x" * 41, "x" * 40),
        ("", ""),
        (None, "null"),
        (True, "true"),
        (float("nan"), "NaN"),
        (10**50, "1" + "0" * 39),
        ([1], "a list"),
        ({}, "an object"),
    ],
    ids=lambda value: ascii(value)[:20],
)
def test_what_a_service_wrote_is_made_readable(value: object, text: str) -> None:
    """One line, printable, and short."""
    assert readable(value) == text


@pytest.mark.parametrize(
    ("place", "latitude", "longitude", "fits"),
    [
        ((52.52, 13.405), 52.5, 13.42, True),
        ((52.52, 13.405), 55.75, 37.62, False),
        ((-16.9, 179.99), -16.9, -179.95, True),
        ((0, -179.9), 0, 180.0, True),
        ((90, 0), 89.9, 137, True),
        ((0, 0), 0, 1, False),
        ((0, 0), None, 0, False),
        ((0, 0), True, 0, False),
        ((0, 0), float("nan"), 0, False),
        ((0, 0), 10**400, 0, False),
    ],
    ids=lambda value: str(value)[:20],
)
def test_an_answer_must_be_for_the_place(
    place: tuple[float, float], latitude: object, longitude: object, fits: bool
) -> None:
    """Grid cells near the place fit, over the date line and at the poles too; others and no numbers do not."""
    try:
        check_position(Place("X", *place), latitude, longitude)
        found = True
    except ValueError:
        found = False
    assert found == fits


@pytest.mark.parametrize(
    "value",
    [None, True, "1700000000", -1, 2**40, 10**400, float("nan"), float("inf")],
    ids=lambda value: str(value)[:9],
)
def test_what_is_no_unix_time_is_refused(value: object) -> None:
    """Only plausible seconds since 1970 are a time."""
    with pytest.raises(ValueError, match="no Unix time"):
        from_unix(value)


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("2026-11-22T06:15", 10_800),
        ("2026-11-22T03:15", 0),
        ("2026-11-22T03:15:00Z", None),
        ("2026-11-22T08:45+05:30", 0),
    ],
)
def test_local_times_follow_the_stated_offset(text: str, offset: int | None) -> None:
    """A time with an offset of its own keeps it; another one lies as far east as the answer says."""
    assert from_iso(text, offset) == datetime(2026, 11, 22, 3, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "offset"),
    [
        ("2026-11-22T03:15", None),
        ("2026-11-22T03:15", True),
        ("2026-11-22T03:15", 10**9),
        ("noon", 0),
        (5, 0),
        ("0001-01-01T00:00", 3600),
        ("9999-12-31T23:59-10:00", 0),
        ("0001-01-01T00:00+10:00", 0),
    ],
)
def test_what_is_no_local_time_is_refused(value: object, offset: object) -> None:
    """A time without an offset, or out of our days, is refused with a phrase."""
    with pytest.raises(ValueError, match="its time"):
        from_iso(value, offset)


@pytest.mark.parametrize(("minutes", "fits"), [(0, True), (44, True), (46, False), (-4, True), (-6, False)])
def test_the_current_weather_is_neither_old_nor_to_come(minutes: int, fits: bool) -> None:
    """Only what lies between the oldest age and five minutes ahead is current."""
    now = datetime(2026, 11, 22, 3, 15, tzinfo=UTC)
    try:
        check_current(now - timedelta(minutes=minutes), now, timedelta(minutes=45))
        found = True
    except ValueError:
        found = False
    assert found == fits


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:80", "http://127.0.0.1:80/v1/forecast"),
        ("http://h/", "http://h/v1/forecast"),
        ("https://h/proxy/om", "https://h/proxy/om"),
        ("https://h?apikey=1", "https://h/v1/forecast?apikey=1"),
    ],
)
def test_a_server_gets_the_standard_path(url: str, expected: str) -> None:
    """A URL with a path is used as it is, one without gets the service's own."""
    assert endpoint(url, "/v1/forecast") == expected


def test_a_query_is_added_to_the_one_that_is_there() -> None:
    """Parameters of the URL are kept, and commas are not escaped."""
    assert with_query("http://h/p?apikey=1", {"a": "1,2", "b": "x y"}) == "http://h/p?apikey=1&a=1,2&b=x+y"


@pytest.mark.parametrize(
    ("degrees", "text"),
    [(55.75581, "55.7558"), (10.0, "10"), (-0.00001, "0"), (1e-7, "0"), (-7.5, "-7.5"), (100, "100")],
)
def test_coordinates_are_short(degrees: float, text: str) -> None:
    """Coordinates have four decimals at most, no exponent and no minus zero."""
    assert coordinate(degrees, 4) == text


@pytest.mark.parametrize(
    ("url", "target", "expected"),
    [
        ("http://a/x", "/y", "http://a/y"),
        ("http://a/x", "https://b/y", "https://b/y"),
        ("https://a/x", "https://b/y", "https://b/y"),
        ("https://a/x", "http://a/y", None),
        ("http://a/x", "file:///etc/passwd", None),
        ("http://a/x", "http://[::1", None),
    ],
)
def test_redirects_do_not_leave_the_web_or_encryption(url: str, target: str, expected: str | None) -> None:
    """A redirect may go to http and https, and never from https to http."""
    try:
        found = redirect_target("The service", url, target)
    except ReplyNotUnderstood:
        found = None
    assert found == expected


def test_slots_are_the_quarters_that_runs_fall_into() -> None:
    """Runs at 1, 21 and 41 get the quarters 0, 15 and 30; the slots between two moments leave both out."""
    assert slot_minutes((1, 21, 41)) == (0, 15, 30)
    day = datetime(2026, 11, 22, 23, 15, tzinfo=UTC)
    slots = slots_between(day, day + timedelta(hours=1), (1, 21, 41))
    assert [slot.strftime("%d %H:%M") for slot in slots] == ["22 23:30", "23 00:00"]
    assert len(slots_between(day, day + timedelta(days=1), (1, 21, 41))) == 71
