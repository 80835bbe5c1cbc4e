"""Names: each once, and keys that patterns can match."""

import pytest

from app.messaging.names import EXCHANGES, QUEUES, weather_key


def test_every_name_is_taken_once_and_says_what_flows_through_it() -> None:
    """Two exchanges, or two queues, of one name would have to be one."""
    for things in (EXCHANGES, QUEUES):
        assert len({thing.name for thing in things}) == len(things)
        assert all(thing.purpose for thing in things)


@pytest.mark.parametrize(
    ("place", "key"),
    [
        ("Moscow", "weather.open-meteo.Moscow"),
        ("St. Petersburg", "weather.open-meteo.St__Petersburg"),
        ("#*\t", "weather.open-meteo.___"),
        ("Ö" * 200, "weather.open-meteo." + "Ö" * 118),
    ],
    ids=["plain", "dot and space", "wildcards", "too long"],
)
def test_weather_key(place: str, key: str) -> None:
    """A place is one word of the key, whatever it is called, and the key is not too long for the protocol."""
    assert weather_key("open-meteo", place) == key
    assert len(key.encode()) <= 255
