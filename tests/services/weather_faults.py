"""What the playing weather services can do wrong, by name.

A fault changes the right `Answer`: its status, headers or body, its document, or the way in which it is delivered.
"""

import copy
import gzip
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any


@dataclass
class Answer:
    """What the service is going to send."""

    status: int
    headers: dict[str, str]
    document: Any = None
    """The JSON document, where there is no `body`."""
    body: bytes | None = None
    delivery: str = "whole"
    encode: Callable[[bytes], bytes] = field(default=lambda body: body)


Fault = Callable[[Answer], None]


def status(code: int) -> Fault:
    def change(answer: Answer) -> None:
        answer.status = code

    return change


def refused(code: int, reason: str) -> Fault:
    """An error in Open-Meteo's words."""

    def change(answer: Answer) -> None:
        answer.status, answer.document = code, {"error": True, "reason": reason}

    return change


def body(content: bytes, content_type: str = "application/json") -> Fault:
    def change(answer: Answer) -> None:
        answer.body = content
        answer.headers["Content-Type"] = content_type

    return change


def delivery(way: str) -> Fault:
    def change(answer: Answer) -> None:
        answer.delivery = way

    return change


def redirect(code: int, target: str | None) -> Fault:
    def change(answer: Answer) -> None:
        answer.status, answer.body = code, b""
        if target is not None:
            answer.headers["Location"] = target

    return change


def endless_redirect(answer: Answer) -> None:
    answer.status, answer.headers["Location"], answer.delivery = 302, "?again", "endless"


def encoded(name: str, encode: Callable[[bytes], bytes]) -> Fault:
    def change(answer: Answer) -> None:
        answer.headers["Content-Encoding"] = name
        answer.encode = encode

    return change


def edited(edit: Callable[[Any], Any]) -> Fault:
    """A change of the document; `edit` returns the new one, or changes the one it is given and returns None."""

    def change(answer: Answer) -> None:
        if answer.status == 200 and answer.document is not None:
            new = copy.deepcopy(answer.document)
            result = edit(new)
            answer.document = new if result is None else result

    return change


def first(document: Any) -> Any:
    """The forecast for the first place."""
    return document[0] if isinstance(document, list) else document


def temperature(value: object) -> Fault:
    """The first place's temperature is `value`, with either service."""

    def edit(document: Any) -> None:
        forecast = first(document)
        if "current" in forecast:
            forecast["current"]["temperature_2m"] = value
            return
        for step in forecast["properties"]["timeseries"]:
            step["data"]["instant"]["details"]["air_temperature"] = value

    return edited(edit)


def unit(text: object) -> Fault:
    """The first place's temperature has the unit `text`, with either service."""

    def edit(document: Any) -> None:
        forecast = first(document)
        if "current_units" in forecast:
            forecast["current_units"]["temperature_2m"] = text
        else:
            forecast["properties"]["meta"]["units"]["air_temperature"] = text

    return edited(edit)


def shifted(span: timedelta) -> Fault:
    """All times of all places are moved by `span`."""

    def edit(document: Any) -> None:
        for forecast in document if isinstance(document, list) else [document]:
            if "current" in forecast:
                forecast["current"]["time"] += int(span.total_seconds())
                continue
            for step in forecast["properties"]["timeseries"]:
                moment = datetime.fromisoformat(step["time"]) + span
                step["time"] = moment.strftime("%Y-%m-%dT%H:%M:%SZ")

    return edited(edit)


def current(name: str, change: Callable[[Any], Any]) -> Fault:
    """What the first place's current values have as `name` is changed."""

    def edit(document: Any) -> None:
        values = first(document)["current"]
        values[name] = change(values[name])

    return edited(edit)


def local_time(offset: timedelta, stated: bool) -> Fault:
    """Open-Meteo's times are ISO 8601 and local, and the answer states the offset or claims that it is none."""

    def edit(document: Any) -> None:
        for forecast in document if isinstance(document, list) else [document]:
            moment = datetime.fromtimestamp(forecast["current"]["time"], UTC) + offset
            forecast["current"]["time"] = moment.strftime("%Y-%m-%dT%H:%M")
            forecast["current_units"]["time"] = "iso8601"
            forecast["utc_offset_seconds"] = int(offset.total_seconds()) if stated else 0

    return edited(edit)


def no_location_ids(document: Any) -> Any:
    for forecast in document:
        forecast.pop("location_id", None)
    return document[::-1]


def drop(*path: str) -> Fault:
    """The first place's forecast lacks what is at `path`."""

    def edit(document: Any) -> None:
        inner = first(document)
        for name in path[:-1]:
            inner = inner[name]
        inner.pop(path[-1], None)

    return edited(edit)


def all_null(document: Any) -> None:
    current = first(document)["current"]
    for name in current:
        if name not in ("time", "interval"):
            current[name] = None


def past_temperature(value: object) -> Fault:
    """All past temperatures of the first place are `value`."""

    def edit(document: Any) -> None:
        if series := first(document).get("minutely_15"):
            series["temperature_2m"] = [value for _ in series["temperature_2m"]]

    return edited(edit)


def no_past(fault: Fault) -> Fault:
    """`fault`, but only for requests that ask Open-Meteo for the past."""

    def change(answer: Answer) -> None:
        if "minutely_15" in first(answer.document):
            fault(answer)

    return change


def past_null(document: Any) -> None:
    for name, values in first(document).get("minutely_15", {}).items():
        if name != "time":
            values[:] = [None for _ in values]


def short_series(document: Any) -> None:
    first(document).get("minutely_15", {}).get("temperature_2m", [0]).pop()


def bomb(_: bytes) -> bytes:
    """64 MB of an answer, in 64 kB."""
    squeeze = zlib.compressobj(wbits=31)
    parts = [squeeze.compress(b"["), *(squeeze.compress(b" " * 1024 * 1024) for _ in range(64)), squeeze.flush()]
    return b"".join(parts)


UGLY = "\x1b[2J\x1b]0;title\x07 \ud800\u202e\r\nERROR: forged " + "long " * 500
"""Text that clears a terminal, has no encoding, turns the writing around and forges a line of a log."""
HTML = b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"
STATUSES = [
    *(201, 202, 203, 204, 205, 206, 300, 304, 305, 306, 400, 401, 403, 404, 405, 406, 408, 409, 410, 415, 418, 422),
    *(425, 429, 431, 451, 499, 500, 501, 502, 503, 504, 507, 511, 520, 599),
]

FAULTS: dict[str, Fault] = {
    **{f"status-{code}": status(code) for code in STATUSES},
    "limit-minutely": refused(429, "Minutely API request limit exceeded. Please try again in one minute."),
    "limit-hourly": refused(429, "Hourly API request limit exceeded. Please try again in the next hour."),
    "limit-daily": refused(429, "Daily API request limit exceeded. Please try again tomorrow."),
    "limit-concurrent": refused(429, "Too many concurrent requests"),
    "limit-with-200": refused(200, "Daily API request limit exceeded. Please try again tomorrow."),
    "error-400": refused(400, "Cannot initialize TemperatureUnit from invalid String value x"),
    "error-with-200": refused(200, "Something went wrong."),
    "ugly-400": refused(400, UGLY),
    "ugly-503": refused(503, UGLY),
    "ugly-limit": refused(429, f"Hourly API request limit exceeded. {UGLY}"),
    "ugly-with-200": refused(200, UGLY),
    "ugly-name": body(json.dumps(UGLY).join(("{", ": 1, ", ": 2}")).encode()),
    "ugly-time": current("time", lambda _: UGLY),
    "ugly-interval": current("interval", lambda _: UGLY),
    "overloaded": refused(503, "The service is overloaded"),
    "hang": delivery("hang"),
    "drip": delivery("drip"),
    "drip-headers": delivery("drip-headers"),
    "cut": delivery("cut"),
    "reset": delivery("reset"),
    "close": delivery("close"),
    "not-http": delivery("not-http"),
    "endless": delivery("endless"),
    "endless-headers": delivery("endless-headers"),
    "gzip": encoded("gzip", gzip.compress),
    "deflate": encoded("deflate", zlib.compress),
    "gzip-cut": encoded("gzip", lambda content: gzip.compress(content)[:-30]),
    "gzip-damaged": encoded("gzip", lambda content: b"\x1f\x8b" + content),
    "gzip-bomb": encoded("gzip", bomb),
    "unknown-encoding": encoded("br", lambda content: b"\x0b\x02\x80" + content),
    "empty": body(b""),
    "html": body(HTML, "text/html"),
    "wrong-type": body(HTML),
    "text-type": edited(lambda document: None),
    "not-json": body(b"Unknown location; please try again"),
    "cut-json": body(b'[{"latitude":52.5,"longitude":13.4,"current":{"time":17Unexpected error while streaming data'),
    "not-utf-8": body(b'{"latitude": "\xff\xfe"}'),
    "null-bytes": body(b"\0" * 500),
    "deep": body(b"[" * 200_000),
    "deep-objects": body(b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
    "huge-number": body(b'{"latitude": ' + b"9" * 5000 + b"}"),
    "repeated-key": body(b'{"latitude": 1, "latitude": 2}'),
    "number": body(b"17"),
    "string": body(b'"the weather is fine"'),
    "null-document": body(b"null"),
    "empty-object": body(b"{}"),
    "empty-list": body(b"[]"),
    "list-of-numbers": body(b"[1, 2]"),
    "redirect-301": redirect(301, "?again"),
    "redirect-302": redirect(302, "?again"),
    "redirect-307": redirect(307, "?again"),
    "redirect-308": redirect(308, "?again"),
    "redirect-loop": redirect(302, "?loop"),
    "redirect-file": redirect(302, "file:///etc/passwd"),
    "redirect-ftp": redirect(302, "ftp://127.0.0.1/weather"),
    "redirect-endless": endless_redirect,
    "redirect-nonsense": redirect(302, "http://[::1"),
    "redirect-no-host": redirect(302, "http:///"),
    "redirect-without-target": redirect(302, None),
    "temperature-nan": temperature(float("nan")),
    "temperature-infinity": temperature(float("inf")),
    "temperature-absurd": temperature(400.0),
    "temperature-1e400": temperature(10**400),
    "temperature-string": temperature("12.3"),
    "temperature-bool": temperature(True),
    "temperature-list": temperature([12.3]),
    "temperature-null": temperature(None),
    "unit-unknown": unit("°X"),
    "unit-null": unit(None),
    "unit-number": unit(5),
    "unit-ugly": unit(UGLY),
    "temperature-ugly": temperature(UGLY),
    "temperature-nested": temperature(json.loads("[" * 800 + "]" * 800)),
    "unit-fahrenheit": unit("°F"),
    "stale-1-hour": shifted(timedelta(hours=-1)),
    "stale-3-hours": shifted(timedelta(hours=-3)),
    "stale-years": shifted(timedelta(days=-900)),
    "off-the-quarter": shifted(timedelta(seconds=7)),
    "half-a-second-late": current("time", lambda time: time + 0.5),
    "interval-3600": current("interval", lambda _: 3600),
    "interval-true": current("interval", lambda _: True),
    "interval-text": current("interval", lambda _: "900"),
    "no-interval": drop("current", "interval"),
    "future-20-minutes": shifted(timedelta(hours=1)),
    "future-days": shifted(timedelta(days=3)),
    "all-null": edited(all_null),
    "no-values": drop("current"),
    "no-units": drop("current_units"),
    "no-time": drop("current", "time"),
    "no-position": drop("latitude"),
    "wrong-order": edited(lambda document: document[::-1]),
    "wrong-order-unnumbered": edited(no_location_ids),
    "one-too-few": edited(lambda document: document[:-1]),
    "one-too-many": edited(lambda document: [*document, document[-1]]),
    "object-for-many": edited(first),
    "elsewhere": edited(lambda document: first(document).update(latitude=-40.0)),
    "local-time": local_time(timedelta(hours=3), stated=True),
    "local-time-unstated": local_time(timedelta(hours=-1), stated=False),
    "short-series": edited(short_series),
    "no-series": drop("minutely_15"),
    "past-absurd": past_temperature(-300),
    "past-nan": past_temperature(float("nan")),
    "past-string": past_temperature("12"),
    "past-null": edited(past_null),
    "no-past-503": no_past(status(503)),
    "no-past-limit": no_past(refused(429, "Minutely API request limit exceeded. Please try again in one minute.")),
    "no-past-json": no_past(body(b"17")),
}
"""Every fault by name. Those of the document are Open-Meteo's, unless their function says "either service"."""
