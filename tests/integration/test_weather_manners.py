"""The services' manners: what is asked, how often, and what is remembered across restarts."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from app.weather.errors import ProviderUnreachable, StoreError
from app.weather.providers.back_off import BackOff
from tests.services.weather_server import MET_NORWAY, OPEN_METEO
from tests.services.weather_world import MOSCOW, USER_AGENT, World, weather_world

pytestmark = pytest.mark.timeout(20)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with weather_world(tmp_path) as world:
        yield world


def test_requests_say_who_asks_and_for_what(world: World) -> None:
    """Every request has the User-Agent, asks for JSON, and MET Norway sees at most four decimals."""
    world.places = [MOSCOW.__class__("Exact", 55.75581234, -0.00001)]
    world.collect(OPEN_METEO)
    world.collect(MET_NORWAY)
    assert {asked.headers["user-agent"] for asked in world.server.asked} == {USER_AGENT}
    assert {asked.headers["accept"] for asked in world.server.asked} == {"application/json"}
    assert world.server.asked_of(MET_NORWAY)[0].query == {"lat": "55.7558", "lon": "0"}


def test_met_norway_is_not_asked_before_expires(world: World) -> None:
    """Until Expires, new processes use the document on disk; after it, they ask whether it has changed."""
    world.collect(MET_NORWAY)
    world.wait(minutes=20)
    world.collect(MET_NORWAY)
    assert len(world.server.asked) == 2
    world.wait(minutes=12)
    world.collect(MET_NORWAY)
    assert [asked.headers.get("if-modified-since") for asked in world.server.asked[2:]] == [
        "Sun, 22 Nov 2026 03:00:00 GMT"
    ] * 2


def test_304_keeps_the_document_and_renews_its_life(world: World) -> None:
    """After a 304 the kept body is used, and nothing is asked until the new Expires."""
    world.places = [MOSCOW]
    world.now = world.now.replace(minute=1)
    world.collect(MET_NORWAY)
    world.wait(minutes=32)
    assert world.collect(MET_NORWAY).duplicates == 1
    assert world.server.asked[-1].headers["if-modified-since"]
    world.wait(minutes=30)
    assert world.collect(MET_NORWAY).written == 1
    assert len(world.server.asked) == 2
    assert world.times(MOSCOW) == ["03:00", "04:00"]


def test_two_runs_at_once_ask_met_norway_once(world: World) -> None:
    """Eight runs in the same moment send one request for each place."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: world.collect(MET_NORWAY), range(8)))
    assert len(world.server.asked) == 2


def test_a_document_from_elsewhere_or_damaged_is_not_used(world: World) -> None:
    """A cache file that is damaged, or came from another address, is fetched anew."""
    world.places = [MOSCOW]
    world.collect(MET_NORWAY)
    path = world.cache / "met-norway" / "55.7558,37.6173.json"
    kept = json.loads(path.read_text())
    for content in ("{", "[]", json.dumps(kept | {"url": "http://other"}), json.dumps(kept | {"body": None})):
        path.write_text(content)
        world.collect(MET_NORWAY)
    assert len(world.server.asked) == 5
    assert not any("if-modified-since" in asked.headers for asked in world.server.asked)


@pytest.mark.parametrize(
    "stated",
    [
        "Fri, 31 Dec 99999999999 23:59:59 GMT",
        "Fri, 31 Dec 9999 23:59:59 -1200",
        "Sun, 22 Nov 2026 03:21:30 +9999",
        "0",
        "",
    ],
)
def test_a_date_that_cannot_be_read_counts_as_absent(world: World, stated: str) -> None:
    """Without a readable Expires a document holds half an hour; without Last-Modified it is asked for whole."""
    world.server.fault("text-type", MET_NORWAY, headers={"Expires": stated, "Last-Modified": stated})
    assert world.collect(MET_NORWAY).written == 2
    world.wait(minutes=29)
    world.collect(MET_NORWAY)
    assert len(world.server.asked) == 2
    world.wait(minutes=2)
    world.collect(MET_NORWAY)
    assert len(world.server.asked) == 4
    assert not any("if-modified-since" in asked.headers for asked in world.server.asked)


@pytest.mark.parametrize("status", [400, 403, 404, 429, 500, 503])
@pytest.mark.parametrize(
    ("stated", "seconds"),
    [
        ("1800", 1800),
        ("Sun, 22 Nov 2026 03:51:30 GMT", 1800),
        ("9" * 400, 86_400),
        ("Tue, 01 Jan 2047 00:00:00 GMT", 86_400),
    ],
    ids=["seconds", "date", "many seconds", "far date"],
)
@pytest.mark.parametrize("service", [OPEN_METEO, MET_NORWAY])
def test_a_wait_that_a_service_states_is_kept(
    world: World, service: str, stated: str, seconds: int, status: int
) -> None:
    """Retry-After is obeyed with every status, in both of its forms and for a day at most, by new processes too."""
    world.server.fault(f"status-{status}", service, headers={"Retry-After": stated})
    with pytest.raises(ProviderUnreachable) as caught:
        world.collect(service)
    assert caught.value.retry_after == pytest.approx(seconds, abs=3)
    world.server.heal()
    world.wait(seconds=seconds - 1)
    with pytest.raises(ProviderUnreachable, match="It is not asked again before"):
        world.collect(service)
    assert len(world.server.asked) == 1
    world.wait(seconds=5)
    assert world.collect(service).written == 2


@pytest.mark.parametrize("stated", ["0", "-5", "soon", "1.5", "²", "Sat, 21 Nov 2026 03:21:30 GMT", ""])
def test_no_wait_is_made_up(world: World, stated: str) -> None:
    """A Retry-After that is over or cannot be read leaves a service in trouble to be asked as usual."""
    world.server.fault("status-503", times=1, headers={"Retry-After": stated.encode().decode("latin-1")})
    with pytest.raises(ProviderUnreachable) as caught:
        world.collect(OPEN_METEO)
    assert caught.value.retry_after is None
    assert world.collect(OPEN_METEO).written == 2


def test_a_retry_asks_only_who_may_be_asked(world: World) -> None:
    """When one service forbids an hour and the other is only in trouble, a retry asks the second one alone."""
    world.server.fault("status-503", headers={"Retry-After": "3600"})
    world.server.fault("status-500", MET_NORWAY, times=2)
    with pytest.raises(ProviderUnreachable) as caught:
        world.collect()
    assert caught.value.retry_after is None
    world.wait(seconds=5)
    assert set(world.collect().providers.values()) == {"met-norway"}
    assert len(world.server.asked_of(OPEN_METEO)) == 1


def test_a_wait_that_cannot_be_noted_allows_no_retry(world: World) -> None:
    """The other service still serves the places; without one the run fails for good: a retry would be early."""
    (world.cache / "open-meteo.wait.json").mkdir(parents=True)
    world.server.fault("limit-hourly")
    assert set(world.collect().providers.values()) == {"met-norway"}
    world.wait(hours=1)
    world.server.fault("status-500", MET_NORWAY)
    with pytest.raises(StoreError, match=r"try again in the next hour\. That cannot be noted in .*\. MET Norway is in"):
        world.collect()


def test_a_shorter_wait_does_not_end_a_longer_one(world: World) -> None:
    """Of two runs at once that were told different waits, the longer one counts."""
    back_off = BackOff(world.cache / "service.wait.json")
    back_off.remember(world.now, 3600, "An hour.")
    back_off.remember(world.now, 60, "A minute.")
    with pytest.raises(ProviderUnreachable, match=r"^An hour\."):
        back_off.check(world.now + timedelta(minutes=50))


@pytest.mark.parametrize(("status", "minutes"), [("status-403", 60), ("status-429", 10)])
def test_met_norway_is_left_alone_when_it_says_so(world: World, status: str, minutes: int) -> None:
    """After 403 and 429 nothing is asked for a while, by new processes neither."""
    world.server.fault(status, MET_NORWAY)
    for _ in range(3):
        with pytest.raises(ProviderUnreachable) as caught:
            world.collect(MET_NORWAY)
        assert caught.value.retry_after == pytest.approx(minutes * 60, abs=3)
    assert len(world.server.asked) == 1
    world.server.heal()
    world.wait(minutes=minutes, seconds=3)
    assert world.collect(MET_NORWAY).written == 2


@pytest.mark.parametrize(
    ("fault", "seconds"), [("limit-minutely", 32), ("limit-hourly", 2312), ("limit-daily", 74312), ("status-429", 60)]
)
def test_open_meteo_is_left_alone_until_its_counter_is_cleared(world: World, fault: str, seconds: int) -> None:
    """The wait follows from the words of the answer, and is kept on disk."""
    world.server.fault(fault)
    with pytest.raises(ProviderUnreachable) as caught:
        world.collect(OPEN_METEO)
    assert caught.value.retry_after == pytest.approx(seconds, abs=1)
    world.server.heal()
    world.wait(seconds=seconds - 1)
    with pytest.raises(ProviderUnreachable, match="It is not asked again before"):
        world.collect(OPEN_METEO)
    assert len(world.server.asked) == 1
    world.wait(seconds=4)
    assert world.collect(OPEN_METEO).written == 2


def test_a_clock_set_back_does_not_silence_a_service(world: World) -> None:
    """A wait that lies more than a day ahead was noted by a wrong clock, and is not obeyed."""
    world.now = world.now.replace(year=2030)
    world.server.fault("limit-daily", times=1)
    with pytest.raises(ProviderUnreachable):
        world.collect(OPEN_METEO)
    world.now = world.now.replace(year=2026)
    assert world.collect(OPEN_METEO).written == 2


def test_a_document_that_a_wrong_clock_has_dated_is_not_used(world: World) -> None:
    """One that would hold for more than a day from now is asked for anew, and whole."""
    world.now = world.now.replace(year=2030)
    world.collect(MET_NORWAY)
    world.now = world.now.replace(year=2026)
    assert world.collect(MET_NORWAY).written == 2
    assert len(world.server.asked) == 4
    assert not any("if-modified-since" in asked.headers for asked in world.server.asked)


def test_two_failures_in_a_row_end_the_asking(world: World) -> None:
    """When MET Norway fails for two places, the others are not tried, and the error says why."""
    world.places = [MOSCOW.__class__(f"P{number}", number, number) for number in range(6)]
    world.server.fault("status-500", MET_NORWAY)
    with pytest.raises(ProviderUnreachable, match="status 500"):
        world.collect(MET_NORWAY)
    assert len(world.server.asked) == 2


def test_a_bad_document_is_asked_for_whole_after_its_life(world: World) -> None:
    """A document that gave no row is not asked for again before Expires, and then without If-Modified-Since."""
    world.places = [MOSCOW, MOSCOW.__class__("Oslo", 59.91, 10.75)]
    world.server.fault("temperature-absurd", MET_NORWAY, times=1)
    assert world.collect(MET_NORWAY).without == ["Moscow"]
    world.wait(minutes=20)
    assert world.collect(MET_NORWAY).without == ["Moscow"]
    assert len(world.server.asked) == 2
    world.wait(minutes=20)
    assert world.collect(MET_NORWAY).without == []
    assert "if-modified-since" not in world.server.asked[2].headers


def test_203_is_used_with_a_warning(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """MET Norway's 203 gives the row, and the log tells that this version will end."""
    world.server.fault("status-203", MET_NORWAY)
    assert world.collect(MET_NORWAY).written == 2
    assert "this version of its service will end" in caplog.text


def test_without_a_place_for_its_documents_met_norway_is_not_asked(world: World) -> None:
    """What cannot be kept must not be asked for: a cache folder that cannot be made is told in a sentence."""
    world.cache.write_text("a file, where a folder should be")
    with pytest.raises(ProviderUnreachable, match=r"^MET Norway was not asked, since its answers cannot be kept in "):
        world.collect(MET_NORWAY)
    assert world.server.asked == []
