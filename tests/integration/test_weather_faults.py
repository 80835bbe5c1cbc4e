"""Whatever a weather service does wrong: a right row, or a sentence and no row, and never a traceback."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.weather.errors import ProviderUnreachable, ReplyNotUnderstood, WeatherError
from tests.services.weather_answers import weather
from tests.services.weather_faults import FAULTS, STATUSES
from tests.services.weather_server import MET_NORWAY, OPEN_METEO, WeatherServer, weather_server
from tests.services.weather_world import BERLIN, MOSCOW, World, requests_under_way
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(20)

HARMLESS = [
    *("gzip", "deflate", "text-type", "wrong-order", "local-time", "redirect-endless"),
    *(f"redirect-{code}" for code in (301, 302, 307, 308)),
]
"""Faults that a client must put up with."""
OF_THE_PAST = ("short-series", "no-series", "past-absurd", "past-nan", "past-string", "past-null")
OF_THE_FIRST_PLACE = [
    *(name for name in FAULTS if name.startswith(("temperature-", "unit-")) and name != "temperature-null"),
    *("all-null", "no-values", "no-units", "no-time", "no-position", "elsewhere"),
    *(
        "ugly-time",
        "ugly-interval",
        "half-a-second-late",
        "interval-3600",
        "interval-true",
        "interval-text",
        "no-interval",
    ),
]
UNREACHABLE = [
    *(f"status-{code}" for code in STATUSES if code >= 500 or code in (408, 429)),
    *(name for name in FAULTS if name.startswith("limit-")),
    *("ugly-503", "ugly-limit"),
    *("overloaded", "hang", "drip", "drip-headers", "cut", "reset", "close", "not-http", "endless-headers"),
    *("gzip-cut", "gzip-damaged", "empty", "html", "wrong-type", "not-json", "cut-json", "null-bytes"),
]
ROWS_WITH_OTHER_VALUES = ("unit-fahrenheit", "temperature-null")
NOT_UNDERSTOOD = sorted(
    {*(name for name in FAULTS if not name.startswith("no-past-"))}
    - {*HARMLESS, *OF_THE_PAST, *OF_THE_FIRST_PLACE, *UNREACHABLE, *ROWS_WITH_OTHER_VALUES}
)
BOTH_SERVICES = [
    name
    for name in sorted({*UNREACHABLE, *NOT_UNDERSTOOD} - {"status-203", "limit-with-200"})
    if not name.startswith(("stale", "future", "off-the", "wrong-order", "one-too", "object-for", "local-time"))
]
SLOW = ("hang", "drip", "drip-headers")


@pytest.fixture(scope="module")
def server() -> Iterator[WeatherServer]:
    with weather_server() as server:
        yield server


@pytest.fixture
def world(tmp_path: Path, server: WeatherServer, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr("app.weather.fetch.IDLE_SECONDS", 0.01)  # no test finds a connection that the one before kept
    wait_until(lambda: requests_under_way() == 0, 5, "the connections of the test before are ended")
    server.heal()
    server.asked.clear()
    return World(tmp_path, server)


def assert_right(world: World, *names: str) -> None:
    """The file has one row for each place called `names`, and its values are those of the world."""
    rows = world.rows()
    assert [row["place"] for row in rows] == list(names)
    for row in rows:
        truth = weather(row["latitude"], row["longitude"], world.now.replace(minute=15, second=0))
        assert row["observed_at"] == "2026-11-22T03:15:00Z"
        assert row["temperature_c"] == truth["temperature_2m"]
        assert row["wind_speed_ms"] == truth["wind_speed_10m"]


@pytest.mark.parametrize("fault", HARMLESS)
def test_what_http_allows_is_taken(world: World, fault: str) -> None:
    """Compressed, redirected, reordered or local answers give the right rows."""
    world.server.fault(fault)
    assert world.collect(OPEN_METEO).refused == []
    assert_right(world, "Moscow", "Berlin")


@pytest.mark.parametrize("fault", [fault for fault in OF_THE_FIRST_PLACE if fault != "unit-fahrenheit"])
def test_a_bad_value_costs_one_row(world: World, fault: str) -> None:
    """What is wrong with one place is told in a sentence that names it, and the other place has its row."""
    world.server.fault(fault)
    collected = world.collect(OPEN_METEO)
    assert collected.without == ["Moscow"]
    assert len(collected.refused) == 1
    assert collected.refused[0].startswith("Open-Meteo gave no row for Moscow: ")
    assert_right(world, "Berlin")


@pytest.mark.parametrize("fault", UNREACHABLE)
def test_trouble_is_worth_a_retry(world: World, fault: str) -> None:
    """A service in trouble is ProviderUnreachable with one sentence, soon, and nothing is written."""
    world.server.fault(fault)
    with pytest.raises(ProviderUnreachable, match=r"^Open-Meteo .*\.$"):
        world.collect(OPEN_METEO, deadline=0.4 if fault in SLOW else 5)
    assert not world.store.path.exists()


@pytest.mark.parametrize("fault", NOT_UNDERSTOOD)
def test_nonsense_is_not_worth_a_retry(world: World, fault: str) -> None:
    """An answer that is whole but wrong is ReplyNotUnderstood with a sentence, and nothing is written."""
    world.server.fault(fault)
    with pytest.raises(ReplyNotUnderstood, match=r"^Open-Meteo .*\.$"):
        world.collect(OPEN_METEO)
    assert not world.store.path.exists()


@pytest.mark.parametrize("fault", [name for name in FAULTS if "ugly" in name])
def test_what_a_service_writes_cannot_harm_a_terminal_or_a_log(world: World, fault: str) -> None:
    """Sentences with a service's own words are one short printable line, also when they come back from the disk."""
    world.server.fault(fault)
    world.server.fault("status-500", MET_NORWAY)
    for _ in range(2):
        try:
            sentences = world.collect().refused
        except WeatherError as error:
            sentences = [str(error)]
        for sentence in sentences:
            assert sentence.isprintable()
            assert sentence.encode()
            assert len(sentence) < 450


@pytest.mark.parametrize("fault", BOTH_SERVICES)
def test_met_norway_can_be_as_wrong(world: World, fault: str) -> None:
    """The same faults of MET Norway give a sentence and no row either, and few requests."""
    world.server.fault(fault, MET_NORWAY)
    with pytest.raises(WeatherError, match=r"^MET Norway .*\.$"):
        world.collect(MET_NORWAY, deadline=0.3 if fault in SLOW else 5)
    assert not world.store.path.exists()
    assert len(world.server.asked) <= (8 if fault == "redirect-loop" else 2)


@pytest.mark.parametrize("fault", [name for name in OF_THE_FIRST_PLACE if name.startswith(("temperature", "unit-u"))])
def test_met_norway_has_bad_values_too(world: World, fault: str) -> None:
    """A bad value of one place of MET Norway is told in a sentence, and the other place has its row."""
    world.server.fault(fault, MET_NORWAY, latitude="55.7558")
    collected = world.collect(MET_NORWAY)
    assert collected.without == ["Moscow"]
    assert "MET Norway gave no row for Moscow: temperature_c" in collected.refused[0]
    assert [row["place"] for row in world.rows()] == ["Berlin"]


@pytest.mark.parametrize("fault", OF_THE_PAST)
def test_a_bad_past_does_not_touch_the_present(world: World, fault: str) -> None:
    """Past values that cannot be used are told in one sentence; the current row and the other place are complete."""
    world.collect(OPEN_METEO)
    world.wait(hours=1)
    world.server.fault(fault)
    collected = world.collect(OPEN_METEO)
    assert world.times(BERLIN) == ["03:15", "03:30", "04:00", "04:15"]
    if fault == "past-null":
        assert world.times(MOSCOW) == ["03:15", "04:15"]
    assert world.times(MOSCOW)[-1] == "04:15"
    assert len(collected.refused) == 1
    assert collected.refused[0].startswith("Open-Meteo gave no past value")


def test_units_are_those_of_the_answer(world: World) -> None:
    """A temperature that the answer states in °F is kept in °C, whatever was asked for."""
    world.server.fault("unit-fahrenheit")
    world.collect(OPEN_METEO)
    truth = weather(MOSCOW.latitude, MOSCOW.longitude, world.now.replace(minute=15, second=0))["temperature_2m"]
    assert world.rows()[0]["temperature_c"] == round((truth - 32) / 1.8, 2)


def test_a_null_is_kept_as_null(world: World) -> None:
    """A value that is missing is null in the row, and the others are kept."""
    world.server.fault("temperature-null")
    world.collect(OPEN_METEO)
    assert world.rows()[0]["temperature_c"] is None
    assert world.rows()[0]["humidity_percent"] is not None


@pytest.mark.parametrize(
    "fault", ["status-204", "status-403", "status-500", "limit-daily", "cut", "html", "deep", "null-document"]
)
def test_met_norway_steps_in(world: World, fault: str) -> None:
    """Whatever Open-Meteo does, MET Norway's rows are written, and each says who it is from."""
    world.server.fault(fault)
    collected = world.collect()
    assert collected.providers == {"Moscow": "met-norway", "Berlin": "met-norway"}
    assert collected.refused
    assert [(row["place"], row["provider"]) for row in world.rows()] == [
        ("Moscow", "met-norway"),
        ("Berlin", "met-norway"),
    ]


def test_met_norway_steps_in_for_one_place(world: World) -> None:
    """Only the place without a row is asked about a second time."""
    world.server.fault("temperature-absurd")
    assert world.collect().providers == {"Moscow": "met-norway", "Berlin": "open-meteo"}
    assert [asked.query["lat"] for asked in world.server.asked_of(MET_NORWAY)] == ["55.7558"]
