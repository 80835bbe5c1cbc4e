"""MET Norway's Locationforecast: keyless, global, one request for each place, and strict manners.

Manners (https://api.met.no/doc/TermsOfService and https://docs.api.met.no/doc/GettingStarted): name the application and
a contact in the User-Agent; at most four decimals; no request before `Expires`; after it If-Modified-Since with the
exact old Last-Modified; at most 20 requests a second; stop at 403 and 429. So each document is kept on disk with its
headers, and a lock makes two runs at once take turns, so that the second finds what the first was told.
"""

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from app.weather.answer import Answer
from app.weather.errors import ProviderUnreachable, ReplyNotUnderstood, StoreError
from app.weather.fetch import Reply, Request, fetch
from app.weather.files import locked
from app.weather.observation import Observation, Place
from app.weather.parsing.met_norway import NAME, SERVICE, parse_locationforecast
from app.weather.providers.back_off import SLACK, BackOff
from app.weather.providers.clock import Clock, clock_from
from app.weather.providers.endpoint import coordinate, endpoint, with_query
from app.weather.providers.headers import http_date, retry_after
from app.weather.providers.kept_document import KeptDocument
from app.weather.schedule import Missing

STANDARD_PATH: Final = "/weatherapi/locationforecast/2.0/compact"
PAUSE_SECONDS: Final = 0.1
"""Between two requests: at most ten a second, half of what is allowed."""
USUAL_LIFE: Final = timedelta(minutes=30)
"""How long a document holds when its Expires cannot be read; recorded ones held 30 to 32 minutes."""
LONGEST_LIFE: Final = timedelta(days=1)
LOCK_SECONDS: Final = 60.0
USUAL_WAITS: Final = {429: 600.0, 403: 3600.0}
"""Seconds without a request after a status that forbids them, when the answer names no wait."""

logger = logging.getLogger(__name__)


class MetNorway:
    """The Locationforecast service of MET Norway; it has no past values."""

    name = NAME
    past = timedelta(0)

    def __init__(self, url: str, user_agent: str, cache_folder: Path, deadline: float = 15.0) -> None:
        self._url = endpoint(url, STANDARD_PATH)
        self._user_agent = user_agent
        self._folder = cache_folder / "met-norway"
        self._deadline = deadline
        self._back_off = BackOff(cache_folder / "met-norway.wait.json")
        self._asked_at = 0.0

    def observe(self, places: Sequence[Place], now: datetime, missing: Missing) -> Answer:
        """The current observation of each place; see `Provider`. After two failures in a row nothing more is asked."""
        clock, answer, failures = clock_from(now), Answer(), 0
        last = ProviderUnreachable(f"{SERVICE} was not asked.")
        with self._alone():
            for place in places:
                try:
                    answer.observations.append(self._observation(place, now, clock, may_ask=failures < 2))
                    failures = 0
                except ProviderUnreachable as error:
                    last, failures = (error, failures + 1) if failures < 2 else (last, failures)
                    if str(error) not in answer.refused:
                        answer.refused.append(str(error))
                except ReplyNotUnderstood as error:
                    answer.refused.append(str(error))
                except StoreError as error:  # a wait that cannot be noted; what was forbidden is not done again
                    if not answer.observations:
                        raise
                    answer.refused.append(str(error))
                    break
        if failures and not answer.observations:
            raise last
        return answer

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Without another run that asks the same; what cannot be kept on disk is not asked for."""
        try:
            with locked(self._folder / "lock", LOCK_SECONDS):
                yield
        except OSError as error:
            raise ProviderUnreachable(
                f"{SERVICE} was not asked, since its answers cannot be kept in {self._folder}: "
                f"{error.strerror or error}."
            ) from None

    def _observation(self, place: Place, now: datetime, clock: Clock, may_ask: bool) -> Observation:
        latitude, longitude = coordinate(place.latitude, 4), coordinate(place.longitude, 4)
        url = with_query(self._url, {"lat": latitude, "lon": longitude})
        path = self._folder / f"{latitude},{longitude}.json"
        document = KeptDocument.load(path, url, now + LONGEST_LIFE + SLACK)
        if document is None or document.expires <= now:
            if not may_ask:
                raise ProviderUnreachable(f"{SERVICE} was not asked about {place.name} after it failed twice.")
            document = self._ask(place, clock, url, document)
        try:
            observation = parse_locationforecast(document.body.encode("utf-8", "surrogateescape"), place, now)
        except ReplyNotUnderstood:
            replace(document, last_modified=None).save(path)  # or a 304 would bring the same again, for ever
            raise
        document.save(path)
        return observation

    def _ask(self, place: Place, clock: Clock, url: str, kept: KeptDocument | None) -> KeptDocument:
        """The document from the service, or the kept one when the service says that it still holds."""
        self._back_off.check(clock())
        conditional = {"If-Modified-Since": kept.last_modified} if kept and kept.last_modified else {}
        self._pause()
        reply = fetch(Request(SERVICE, url, {"User-Agent": self._user_agent, **conditional}, deadline=self._deadline))
        now = clock()
        expires = _expires(reply, now)
        if reply.status == 304 and kept and conditional:
            return replace(kept, expires=expires)
        self._check_status(reply, place, now)
        body = reply.body.decode("utf-8", "surrogateescape")
        return KeptDocument(url, expires, _last_modified(reply), body)

    def _pause(self) -> None:
        time.sleep(max(0.0, self._asked_at + PAUSE_SECONDS - time.monotonic()))
        self._asked_at = time.monotonic()

    def _check_status(self, reply: Reply, place: Place, now: datetime) -> None:
        """Raise for every status but 200 and 203, which says that this version of the service will end."""
        if reply.status == 203:
            logger.warning("%s says that this version of its service will end (status 203).", SERVICE)
        if reply.status in (200, 203):
            return
        sentence = _sentence(reply.status, place)
        if wait := retry_after(reply.headers.get("retry-after"), now) or USUAL_WAITS.get(reply.status):
            raise self._back_off.remember(now, wait, sentence)
        if reply.status >= 500 or reply.status in (408, 499):
            raise ProviderUnreachable(sentence)
        raise ReplyNotUnderstood(sentence)


def _sentence(status: int, place: Place) -> str:
    """What a status that brings no document says."""
    if status == 429:
        return f"{SERVICE} has had too many requests from this application (status 429)."
    if status == 403:
        return f"{SERVICE} refuses this application (status 403); its User-Agent must name a contact."
    if status == 422:
        return f"{SERVICE} has no forecast for {place.name} (status 422)."
    if status >= 500 or status in (408, 499):
        return f"{SERVICE} is in trouble (status {status})."
    return f"{SERVICE} answered with status {status} for {place.name} instead of 200."


def _expires(reply: Reply, now: datetime) -> datetime:
    """Until when the reply holds, a day at most."""
    return min(http_date(reply.headers.get("expires")) or now + USUAL_LIFE, now + LONGEST_LIFE)


def _last_modified(reply: Reply) -> str | None:
    """The header as it is, for If-Modified-Since; None when it is no date."""
    stated = reply.headers.get("last-modified")
    return stated if http_date(stated) else None
