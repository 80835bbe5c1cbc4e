"""The progress of a run as a stream of server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

from app.web.documents import encoded
from app.web.following import Followed, Following

HEARTBEAT_SECONDS = 15.0


async def events(following: Following, followed: Followed, last_seen: int | None) -> AsyncIterator[bytes]:
    """The stream of a run, until it ends: what has changed since the version `last_seen`, or all of it first."""
    run, told = followed.run, ""
    followed.watchers += 1
    try:
        if last_seen is None or not run.knows(last_seen):
            last_seen = run.version
            yield _whole("run", followed)
        while not following.closing:
            news = followed.news
            if following.trouble != told:
                told = following.trouble
                yield _event("trouble", {"sentence": told})
            if run.version > last_seen:
                chunk, last_seen = _batch(followed, last_seen)
                yield chunk
            if run.over:
                yield _whole("end", followed)
                return
            try:
                await asyncio.wait_for(news.wait(), HEARTBEAT_SECONDS)
            except TimeoutError:
                yield KEEPALIVE_COMMENT
    finally:
        followed.watchers -= 1


def _batch(followed: Followed, since: int) -> tuple[bytes, int]:
    """What has changed since a version, and the version it leads to; made once for all who watch."""
    if since not in followed.batches:
        run = followed.run
        changes = {"version": run.version, "steps": run.changes(since)}
        followed.batches[since] = _event("steps", changes, run.version), run.version
    return followed.batches[since]


def _whole(name: str, followed: Followed) -> bytes:
    """The whole run as an event; made once for all who come at the same time."""
    run, key = followed.run, (name, followed.run.version)
    if followed.whole is None or followed.whole[0] != key:
        followed.whole = key, _event(name, run.document(), run.version)
    return followed.whole[1]


def _event(name: str, data: dict[str, Any], version: int | None = None) -> bytes:
    return format_sse_event(event=name, data_str=encoded(data).decode(), id=None if version is None else str(version))
