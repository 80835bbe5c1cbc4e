"""Server-sent events as a program reads them."""

import json
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

LIMIT = 20.0


@dataclass(frozen=True)
class ServerSentEvent:
    name: str
    id: str | None
    data: Any


def read_events(url: str, last_id: str | None = None, limit: float = LIMIT) -> Iterator[ServerSentEvent]:
    """The events of the stream at `url` until it ends, or nothing has come for `limit` seconds."""
    headers = {} if last_id is None else {"Last-Event-ID": last_id}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - of our own server
    with urllib.request.urlopen(request, timeout=limit) as response:  # noqa: S310 - as above
        assert response.headers["Content-Type"].startswith("text/event-stream")
        fields: dict[str, str] = {}
        for line in response:  # requests reads byte by byte, which takes minutes for a large workflow
            name, colon, value = line.decode().rstrip("\n").partition(": ")
            if name and colon:
                fields[name] = value
            elif fields and not name:
                yield ServerSentEvent(fields.get("event", "message"), fields.get("id"), json.loads(fields["data"]))
                fields = {}
