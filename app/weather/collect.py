"""One run: ask the services in order, fill what missed runs left out, and append what is new to the weather file."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Final

from app.weather.errors import ProviderUnreachable, ReplyNotUnderstood, StoreError, WeatherError
from app.weather.kept import Kept
from app.weather.observation import Observation, Place, format_time
from app.weather.providers.provider import Provider
from app.weather.schedule import Missing, quarter, slots_between
from app.weather.store import Store

WINDOW: Final = timedelta(hours=6)
"""How long runs look for what is missing before the last row: an answer may have come without its past values."""


@dataclass(slots=True)
class Fetched:
    """What the services gave."""

    observations: list[Observation] = field(default_factory=list)
    """Oldest first."""
    refused: list[str] = field(default_factory=list)
    """A sentence for every value that was refused and every service that failed."""
    without: list[str] = field(default_factory=list)
    """The names of the places for which no service gave the weather now."""


@dataclass(frozen=True, slots=True)
class Collected:
    """What one run did, in plain values."""

    written: int
    """Rows added to the file, backfilled ones included."""
    backfilled: int
    duplicates: int
    """Observations that the file had already."""
    providers: dict[str, str]
    """Who gave the weather now, by name of place."""
    refused: list[str]
    """A sentence for every value that was refused and every service that failed, even if another one gave the row."""
    without: list[str]
    """The names of the places for which no service gave the weather now."""
    torn: list[str]
    """A sentence for each torn line that was found at the end of the file."""
    beyond: list[str]
    """A sentence for each place whose gap began before the past that services keep."""
    rows: list[dict[str, object]] = field(repr=False)
    """The rows that were written."""

    def as_dict(self) -> dict[str, object]:
        """The same as a JSON object, without the rows."""
        return {name: value for name, value in asdict(self).items() if name != "rows"}


def collect(
    places: Sequence[Place],
    providers: Sequence[Provider],
    store: Store,
    now: datetime,
    run_minutes: Sequence[int],
) -> Collected:
    """Append the weather now of every place to `store`, and what runs at `run_minutes` of past hours have missed.

    `now` needs a time zone. A run that is repeated writes nothing twice.
    Raises ProviderUnreachable (later it may work), ReplyNotUnderstood (it will not) or StoreError; nothing is written
    then.
    """
    beyond: dict[str, str] = {}

    def missing(provider: Provider, asked: Sequence[Place]) -> Missing:
        if not provider.past:
            return {}
        horizon = now - provider.past
        kept = store.kept([place.name for place in asked], provider.name, now - WINDOW)
        beyond.update({name: _beyond(name, horizon) for name, of_place in kept.items() if of_place.last < horizon})
        return {name: _missing(of_place, horizon, now, run_minutes) for name, of_place in kept.items()}

    fetched = _fetch(places, providers, now, missing)
    appended = store.append(fetched.observations)
    return Collected(
        written=len(appended.written),
        backfilled=sum(observation.backfilled for observation in appended.written),
        duplicates=appended.duplicates,
        providers={seen.place.name: seen.provider for seen in fetched.observations if not seen.backfilled},
        refused=fetched.refused,
        without=fetched.without,
        torn=appended.torn,
        beyond=list(beyond.values()),
        rows=[observation.to_row() for observation in appended.written],
    )


def fetch_current(places: Sequence[Place], providers: Sequence[Provider], now: datetime) -> Fetched:
    """The weather now of every place, without any file; raises ProviderUnreachable or ReplyNotUnderstood as above."""
    return _fetch(places, providers, now, lambda provider, asked: {})


def _fetch(
    places: Sequence[Place],
    providers: Sequence[Provider],
    now: datetime,
    missing: Callable[[Provider, Sequence[Place]], Missing],
) -> Fetched:
    """Ask each provider in turn about the places that those before it gave no current weather for."""
    fetched, errors, rest = Fetched(), list[WeatherError](), list(places)
    for provider in providers:
        wanted = missing(provider, rest)
        try:
            answer = provider.observe(rest, now, wanted)
        except WeatherError as error:
            errors.append(error)
            fetched.refused.append(str(error))
            continue
        fetched.observations += answer.observations
        fetched.refused += answer.refused
        served = {seen.place.name for seen in answer.observations if not seen.backfilled}
        if not (rest := [place for place in rest if place.name not in served]):
            break
    if places and not fetched.observations:
        raise _failure(errors, fetched.refused)
    fetched.observations.sort(key=lambda observation: observation.observed_at)
    fetched.without = [place.name for place in rest]
    return fetched


def _failure(errors: Sequence[WeatherError], sentences: Sequence[str]) -> WeatherError:
    """The one error for a run without any observation: to be retried when any service was out of reach."""
    said = " ".join(dict.fromkeys(sentences)) or "No weather service is configured."
    if any(isinstance(error, StoreError) for error in errors):
        return StoreError(said)  # a wait was not kept on disk, so that a retry would come too early
    unreachable = [error for error in errors if isinstance(error, ProviderUnreachable)]
    if not unreachable:
        return ReplyNotUnderstood(said)
    # Every service with a wait refuses to be asked before, so the first that may be asked again sets the time.
    waits = [error.retry_after for error in unreachable]
    known = [wait for wait in waits if wait is not None]
    return ProviderUnreachable(said, min(known) if len(known) == len(waits) else None)


def _missing(kept: Kept, horizon: datetime, now: datetime, run_minutes: Sequence[int]) -> list[datetime]:
    """The times that runs at `run_minutes` would have written and that no provider has."""
    slots = slots_between(max(kept.since, horizon), quarter(now), run_minutes)
    return [slot for slot in slots if slot not in kept.times]


def _beyond(name: str, horizon: datetime) -> str:
    return f"{name} has a gap that began before {format_time(horizon)}; what is older cannot be fetched any more."
