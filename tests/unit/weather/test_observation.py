"""Observations: their limits, their row and their identity."""

import json
import pickle
from datetime import UTC, datetime, timedelta, timezone

import pytest

from app.weather.errors import ProviderUnreachable, ReplyNotUnderstood, StoreError
from app.weather.observation import LIMITS, Observation, Place, parse_time
from app.weather.row import parse_row

OSLO = Place("Oslo", 59.91, 10.75)
TIME = datetime(2026, 11, 22, 3, 15, tzinfo=UTC)


def test_a_row_comes_back_as_it_went() -> None:
    """What `to_row` writes, `parse_row` reads."""
    row = Observation(OSLO, TIME, TIME, "open-meteo", temperature_c=-0.5, weather_code=3).to_row()
    assert parse_row(json.dumps(row).encode()) == row


def test_times_are_written_in_utc() -> None:
    """A time with another offset is the same moment in the row and in the identity."""
    east = TIME.astimezone(timezone(timedelta(hours=3)))
    observation = Observation(OSLO, east, east, "open-meteo", temperature_c=1)
    assert observation.identity == ("open-meteo", "Oslo", "2026-11-22T03:15:00Z")
    assert observation.to_row()["fetched_at"] == "2026-11-22T03:15:00Z"


@pytest.mark.parametrize("field", LIMITS)
def test_limits_hold_at_both_ends(field: str) -> None:
    """Each limit itself is possible, and what lies beyond it is refused with the field's name."""
    least, greatest, _ = LIMITS[field]
    for value in (least, greatest):
        Observation(OSLO, TIME, TIME, "open-meteo", **{field: value})  # type: ignore[arg-type]
    for value in (least - 1, greatest + 1, float("nan"), float("inf"), 10**400):
        with pytest.raises(ValueError, match=f"^{field} is "):
            Observation(OSLO, TIME, TIME, "open-meteo", **{field: value})  # type: ignore[arg-type]


def test_an_observation_of_nothing_is_none() -> None:
    """Without any value there is no observation."""
    with pytest.raises(ValueError, match="has no values"):
        Observation(OSLO, TIME, TIME, "open-meteo")


@pytest.mark.parametrize(
    "values", [("", 0, 0), ("a\nb", 0, 0), ("a", 91, 0), ("a", 0, -181), ("a", float("nan"), 0)], ids=str
)
def test_a_place_is_on_the_earth(values: tuple[str, float, float]) -> None:
    """A place without a printable name or off the map is refused."""
    with pytest.raises(ValueError, match=r"\.$"):
        Place(*values)


@pytest.mark.parametrize(
    "text", ["", "2026-11-22", "2026-11-22T03:15:00+00:00", "2026-11-22 03:15:00Z", "2026-13-22T03:15:00Z"]
)
def test_other_times_are_refused(text: str) -> None:
    """Only the form that the file uses is read."""
    with pytest.raises(ValueError, match=r"is not a time|month must"):
        parse_time(text)


def test_errors_survive_the_way_through_a_queue() -> None:
    """An error made again from its arguments, or unpickled, has the same sentence."""
    error = pickle.loads(pickle.dumps(ProviderUnreachable("It is away.", 60)))  # noqa: S301 - our own bytes
    assert (str(error), error.retry_after, error.args) == ("It is away.", 60, ("It is away.",))
    for kind in (ProviderUnreachable, ReplyNotUnderstood, StoreError):
        assert str(kind(*kind("A sentence.").args)) == "A sentence."


GOOD = Observation(OSLO, TIME, TIME, "open-meteo", temperature_c=1).to_row()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{", "no JSON"),
        (b"\xff\xfe", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"[1]", "no JSON object"),
        (b"{}", "schema None"),
        (json.dumps(GOOD | {"schema": 2}).encode(), "schema 2"),
        (json.dumps(GOOD | {"temperature_c": "1"}).encode(), "no number as temperature_c"),
        (json.dumps(GOOD | {"temperature_c": True}).encode(), "no number as temperature_c"),
        (json.dumps(GOOD | {"temperature_c": float("nan")}).encode(), "no JSON"),
        (json.dumps(GOOD | {"place": None}).encode(), "no text as place"),
        (json.dumps(GOOD | {"latitude": None}).encode(), "no coordinates"),
        (json.dumps(GOOD | {"backfilled": 1}).encode(), "backfilled"),
        (json.dumps({name: GOOD[name] for name in GOOD if name != "kind"}).encode(), "lacks kind"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_line_that_is_no_row_says_why(line: bytes, reason: str) -> None:
    """Every way in which a line can be wrong has its phrase."""
    with pytest.raises(ValueError, match=reason):
        parse_row(line)
