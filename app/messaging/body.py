"""The body of a message: exact JSON, in UTF-8."""

import json
import math
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NoReturn

from pamqp.commands import Basic

from app.messaging.errors import MessageNotJSON

JSON_TYPE = "application/json"
TRANSIENT, PERSISTENT = 1, 2
"""The delivery modes (AMQP 0-9-1, basic.publish)."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message on its way out, as the protocol has it."""

    content: bytes
    properties: Basic.Properties


def encode(data: object) -> bytes:
    """`data` as JSON.

    Raises MessageNotJSON for what would not come back as it is: a value that is not finite, a key that is no string, an
    object of another type, half of a surrogate pair.
    """
    try:
        body = _ENCODER.encode(data).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise MessageNotJSON(f"The data cannot be sent as JSON: {_reason(error)}.") from None
    _check_keys(data)
    return body


def decode(body: bytes) -> Any:
    """The value that `body` expresses.

    Raises MessageNotJSON when it is not JSON by RFC 8259, which NaN, Infinity and any encoding but UTF-8 are not, or
    when it has a number too large for a float.
    """
    try:
        return _DECODER.decode(body.decode())
    except (ValueError, RecursionError) as error:
        raise MessageNotJSON(f"The body is not JSON: {_reason(error)}.") from None


def message(data: object, headers: Mapping[str, Any] | None = None, *, persistent: bool = True) -> Outgoing:
    """A message that carries `data` as JSON, with an id and the time, kept on disk unless it is not `persistent`.

    Raises MessageNotJSON as `encode` does.
    """
    return outgoing(encode(data), JSON_TYPE, headers, persistent=persistent)


def outgoing(
    content: bytes, content_type: str, headers: Mapping[str, Any] | None = None, *, persistent: bool = True
) -> Outgoing:
    """A message that carries `content` as it is, with an id and the time."""
    properties = Basic.Properties(
        content_type=content_type,
        headers=dict(headers) if headers else None,
        delivery_mode=PERSISTENT if persistent else TRANSIENT,
        message_id=uuid.uuid4().hex,
        timestamp=datetime.now(UTC),
    )
    return Outgoing(content, properties)


def _check_keys(data: object) -> None:
    # Python's encoder would write 1 and None as "1" and "null", and two keys could become one.
    if isinstance(data, dict):
        for key, value in data.items():
            if not isinstance(key, str):
                raise MessageNotJSON(f"The data cannot be sent as JSON: the key {key!r} is not a string.")
            if isinstance(value, dict | list | tuple):
                _check_keys(value)
    elif isinstance(data, list | tuple):
        for value in data:
            _check_keys(value)


def _finite(text: str) -> float:
    number = float(text)
    if math.isfinite(number):
        return number
    raise ValueError(f"{text[:30]} is too large a number")


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a number of JSON")


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return " ".join(str(error).split())[:200].rstrip(".")


_ENCODER = json.JSONEncoder(allow_nan=False, ensure_ascii=False, separators=(",", ":"))
_DECODER = json.JSONDecoder(parse_float=_finite, parse_constant=_refuse)
