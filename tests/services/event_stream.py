"""Server-sent events as a program reads them."""

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import requests

LIMIT = 20.0


@dataclass(frozen=True)
class ServerSentEvent:
    name: str
    id: str | None
    data: Any


def read_events(url: str, last_id: str | None = None, limit: float = LIMIT) -> Iterator[ServerSentEvent]:
    """The events of the stream at `url` until it ends, or nothing has come for `limit` seconds."""
    headers = {} if last_id is None else {"Last-Event-ID": last_id}
    with closing(requests.get(url, headers=headers, stream=True, timeout=limit)) as response:
        assert response.status_code == 200, response.text
        assert response.headers["Content-Type"].startswith("text/event-stream")
        fields: dict[str, str] = {}
        for line in response.iter_lines(chunk_size=1, decode_unicode=True):
            name, colon, value = line.partition(": ")
            if name and colon:
                fields[name] = value
            elif not line and fields:
                yield ServerSentEvent(fields.get("event", "message"), fields.get("id"), json.loads(fields["data"]))
                fields = {}
