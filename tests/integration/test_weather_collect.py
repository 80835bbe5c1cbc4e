"""Runs: what they write, what they make good, and what they never write twice."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import pytest

from app.weather.collect import collect, fetch_current
from app.weather.errors import ProviderUnreachable, ReplyNotUnderstood
from app.weather.observation import Place
from tests.services.weather_answers import weather
from tests.services.weather_server import MET_NORWAY, OPEN_METEO
from tests.services.weather_world import BERLIN, MOSCOW, World, weather_world

pytestmark = pytest.mark.timeout(20)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with weather_world(tmp_path) as world:
        yield world


def test_a_row_has_the_fields_of_schema_1_in_order(world: World) -> None:
    """A row has exactly the contract's fields, in the contract's order, with the place's own coordinates."""
    world.collect()
    truth = weather(MOSCOW.latitude, MOSCOW.longitude, world.now.replace(minute=15, second=0))
    assert list(world.rows()[0].items()) == list(
        {
            "schema": 1,
            "place": "Moscow",
            "latitude": 55.7558,
            "longitude": 37.6173,
            "observed_at": "2026-11-22T03:15:00Z",
            "fetched_at": "2026-11-22T03:21:30Z",
            "provider": "open-meteo",
            "kind": "model",
            "temperature_c": truth["temperature_2m"],
            "humidity_percent": truth["relative_humidity_2m"],
            "pressure_hpa": truth["pressure_msl"],
            "wind_speed_ms": truth["wind_speed_10m"],
            "wind_direction_deg": truth["wind_direction_10m"],
            "precipitation_mm": truth["precipitation"],
            "weather_code": truth["weather_code"],
            "backfilled": False,
        }.items()
    )


def test_a_run_that_comes_twice_writes_nothing_twice(world: World) -> None:
    """A second run in the same quarter of an hour finds every row kept."""
    assert world.collect().written == 2
    again = world.collect()
    assert (again.written, again.duplicates) == (0, 2)
    assert len(world.rows()) == 2


def test_regular_runs_do_not_ask_for_the_past(world: World) -> None:
    """Runs at 01, 21 and 41 need the current values only: three requests an hour for all places."""
    world.now = world.now.replace(minute=1)
    for _ in range(6):
        world.collect()
        world.wait(minutes=20)
    assert world.times(MOSCOW) == ["03:00", "03:15", "03:30", "04:00", "04:15", "04:30"]
    assert ["minutely_15" in asked.query for asked in world.server.asked] == [False] * 6


def test_missed_runs_are_made_good(world: World) -> None:
    """After a gap the next run writes, before its own row, what the missed runs would have written, marked."""
    world.collect()
    world.wait(hours=2)
    collected = world.collect()
    assert (collected.written, collected.backfilled) == (14 - 2, 10)
    assert world.times(BERLIN) == ["03:15", "03:30", "04:00", "04:15", "04:30", "05:00", "05:15"]
    assert [row["backfilled"] for row in world.rows() if row["place"] == "Berlin"] == [False] + [True] * 5 + [False]
    for row in world.rows():
        truth = weather(row["latitude"], row["longitude"], datetime.fromisoformat(row["observed_at"]))
        assert row["temperature_c"] == truth["temperature_2m"]
        assert row["weather_code"] == truth["weather_code"]
    assert ["minutely_15" in asked.query for asked in world.server.asked] == [False, False, True]


def test_a_place_that_is_refused_for_ever_costs_the_others_nothing(world: World) -> None:
    """A place without current values misses more with every run; no run asks for the past because of it."""
    world.collect()
    world.server.fault("temperature-absurd")
    for _ in range(6):
        world.wait(minutes=20)
        assert world.collect(OPEN_METEO).without == ["Moscow"]
    assert not any("minutely_15" in asked.query for asked in world.server.asked)
    world.wait(days=5)
    world.collect(OPEN_METEO)
    assert world.server.asked[-1].query["latitude"] == "52.52"
    world.server.heal()
    world.wait(minutes=20)
    world.collect(OPEN_METEO)
    assert world.server.asked[-1].query["latitude"] == "55.7558"
    assert [world.count(place) for place in (MOSCOW, BERLIN)] == [1 + 6 + 5 * 72 + 1] * 2


def test_a_long_gap_of_one_place_does_not_make_the_requests_of_others_long(world: World) -> None:
    """Places are asked for their past together when their gaps are about as long, each once."""
    everyone = [MOSCOW, BERLIN, Place("Oslo", 59.91, 10.75)]
    world.places = everyone
    world.collect()
    world.wait(days=3)
    world.places = [BERLIN, everyone[2]]
    world.collect()
    world.wait(hours=1)
    world.places = everyone
    world.collect()
    past = [asked.query for asked in world.server.asked[-2:]]
    assert [query["latitude"] for query in past] == ["52.52,59.91", "55.7558"]
    assert [world.count(place) for place in everyone] == [3 * 72 + 3 + 1] * 3


@pytest.mark.parametrize("fault", ["no-past-503", "no-past-limit", "no-past-json"])
def test_a_request_for_the_past_that_fails_costs_no_current_row(world: World, fault: str) -> None:
    """The weather now is written with a sentence on the past, which a later run fills in."""
    world.collect()
    world.wait(hours=2)
    world.server.fault(fault)
    collected = world.collect(OPEN_METEO)
    assert (collected.written, collected.backfilled, collected.without) == (2, 0, [])
    assert len(collected.refused) == 1
    world.server.heal()
    world.wait(hours=1)
    world.collect(OPEN_METEO)
    assert [world.count(place) for place in world.places] == [10, 10]


@pytest.mark.parametrize("hours", [2, 10 * 24])
@pytest.mark.parametrize("fault", ["no-series", "past-null", "past-absurd"])
def test_a_first_answer_without_its_past_loses_nothing(world: World, fault: str, hours: int) -> None:
    """When the first answer after an outage has no usable past, the next good one fills the gap."""
    world.collect()
    world.wait(hours=hours)
    world.server.fault(fault)
    assert len(world.collect().refused) == 1
    world.server.heal()
    for _ in range(2):
        world.wait(minutes=20)
        world.collect()
    expected = hours * 3 + 1 + 2
    assert [world.count(place) for place in (MOSCOW, BERLIN)] == [expected] * 2
    assert ["minutely_15" in asked.query for asked in world.server.asked] == [False, *[False, True] * 2, False]


def test_a_value_that_the_service_does_not_have_is_asked_for_six_hours(world: World) -> None:
    """A slot without a value in the past stays missing; runs stop asking for it when six hours have gone by."""
    world.places = [MOSCOW]
    world.now = world.now.replace(minute=1)
    world.collect()
    world.wait(minutes=40)
    world.server.fault("past-null")
    world.collect()
    asks = 0
    for _ in range(18 + 3):
        world.wait(minutes=20)
        world.collect()
        asks += "minutely_15" in world.server.asked[-1].query
    assert asks == 18
    assert len(world.rows()) == 2 + 18 + 3


def test_a_late_run_makes_its_own_slot_good(world: World) -> None:
    """A run that comes past the next quarter writes that quarter and the one that it was due for."""
    world.collect()
    world.wait(minutes=26)
    world.collect()
    assert world.times(MOSCOW) == ["03:15", "03:30", "03:45"]


def test_a_new_place_has_missed_nothing(world: World) -> None:
    """A place without any row gets its current one only, while others are backfilled."""
    world.places = [MOSCOW]
    world.collect()
    world.wait(hours=1)
    world.places = [MOSCOW, BERLIN]
    world.collect()
    assert world.times(MOSCOW) == ["03:15", "03:30", "04:00", "04:15"]
    assert world.times(BERLIN) == ["04:15"]


def test_a_gap_longer_than_the_past_is_told(world: World) -> None:
    """Of a gap of 100 days, the 92 that the service keeps are filled, and a sentence tells of the rest."""
    world.places = [MOSCOW]
    world.collect()
    world.wait(days=100)
    collected = world.collect()
    assert collected.backfilled == 92 * 72 - 1
    assert collected.beyond == [
        "Moscow has a gap that began before 2026-11-30T03:21:30Z; what is older cannot be fetched any more."
    ]
    assert world.collect().written == 0


def test_an_outage_bridged_by_met_norway_is_filled_afterwards(world: World) -> None:
    """MET Norway gives one row an hour; what it left out comes from Open-Meteo's past when that is back."""
    world.collect()
    world.server.fault("status-503")
    for _ in range(6):
        world.wait(minutes=20)
        world.collect()
    assert world.times(MOSCOW) == ["03:15", "03:00", "04:00", "05:00"]
    world.server.heal()
    world.wait(minutes=20)
    world.collect()
    assert sorted(world.times(MOSCOW)) == [
        "03:00",
        "03:15",
        "03:30",
        "04:00",
        "04:15",
        "04:30",
        "05:00",
        "05:15",
        "05:30",
    ]
    world.wait(minutes=20)
    world.collect()
    assert "minutely_15" not in world.server.asked[-1].query


def test_two_runs_at_once_write_everything_once(world: World) -> None:
    """Eight runs in the same moment, after a gap, leave every observation once and no mixed line."""
    world.collect()
    world.wait(hours=3)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: world.collect(), range(8)))
    identities = [(row["place"], row["observed_at"]) for row in world.rows()]
    assert len(identities) == len(set(identities)) == 2 * 10


def test_without_any_service_a_run_may_be_retried(world: World) -> None:
    """When one service is out of reach and the other nonsense, the error says both and that a retry makes sense."""
    world.server.fault("not-utf-8")
    world.server.fault("status-500", MET_NORWAY)
    with pytest.raises(ProviderUnreachable) as caught:
        world.collect()
    assert str(caught.value) == "Open-Meteo sent text that is not UTF-8. MET Norway is in trouble (status 500)."
    assert caught.value.retry_after is None


def test_the_wait_is_known_when_every_service_names_one(world: World) -> None:
    """`retry_after` is the shortest wait when all services that could not be reached have named one."""
    world.server.fault("limit-minutely")
    world.server.fault("status-429", MET_NORWAY)
    with pytest.raises(ProviderUnreachable) as caught:
        world.collect()
    assert caught.value.retry_after == pytest.approx(32, abs=1)


def test_when_nothing_is_understood_a_retry_is_in_vain(world: World) -> None:
    """When every answer is nonsense the error is ReplyNotUnderstood."""
    world.server.fault("number")
    world.server.fault("number", MET_NORWAY)
    with pytest.raises(ReplyNotUnderstood):
        world.collect()


def test_a_refused_connection_is_a_sentence(world: World) -> None:
    """A service that is not there at all is told as such."""
    world.server.stop()
    with pytest.raises(ProviderUnreachable, match=r"^Open-Meteo could not be reached: the connection failed\.$"):
        world.collect(OPEN_METEO)


def test_fetching_writes_nothing(world: World) -> None:
    """`fetch_current` gives the observations and leaves no file behind."""
    fetched = fetch_current(world.places, world.providers(), world.now)
    assert [observation.place for observation in fetched.observations] == [MOSCOW, BERLIN]
    assert not world.store.path.exists()


def test_many_places_are_one_request(world: World) -> None:
    """300 places go out as one POST, and every row has its own place's values."""
    world.places = [Place(f"P{number}", -60 + number * 0.4003, 170 - number * 1.0003) for number in range(300)]
    assert world.collect(OPEN_METEO).written == 300
    assert [asked.method for asked in world.server.asked] == ["POST"]
    for row in world.rows():
        truth = weather(row["latitude"], row["longitude"], world.now.replace(minute=15, second=0))
        assert row["temperature_c"] == truth["temperature_2m"]


def test_the_edges_of_the_map_are_places_like_others(world: World) -> None:
    """Places at the poles and on the date line have their rows from both services."""
    world.places = [Place("South Pole", -90, 0), Place("Taveuni", -16.9, 179.99), Place("Null Island", 0, 0)]
    for name in (OPEN_METEO, MET_NORWAY):
        assert world.collect(name).written == 3


def test_no_provider_at_all_is_a_sentence(world: World) -> None:
    """Without providers there is an error, not an empty success."""
    with pytest.raises(ReplyNotUnderstood, match="No weather service is configured"):
        collect(world.places, [], world.store, world.now, (1, 21, 41))
