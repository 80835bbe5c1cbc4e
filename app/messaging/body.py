"""The body of a message: exact JSON, in UTF-8."""

import json
import math
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NoReturn

from aio_pika import DeliveryMode, Message

from app.messaging.errors import MessageNotJSON

JSON_TYPE = "application/json"


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


def message(data: object, headers: Mapping[str, Any] | None = None, *, persistent: bool = True) -> Message:
    """A message that carries `data` as JSON, with an id and the time, kept on disk unless it is not `persistent`.

    Raises MessageNotJSON as `encode` does.
    """
    return Message(
        encode(data),
        headers=dict(headers) if headers else None,
        content_type=JSON_TYPE,
        delivery_mode=DeliveryMode.PERSISTENT if persistent else DeliveryMode.NOT_PERSISTENT,
        message_id=uuid.uuid4().hex,
        timestamp=datetime.now(UTC),
    )


def _check_keys(data: object) -> None:
    # Python's encoder would write 1 and None as "1" and "null", and two keys could become one.
    if type(data) is dict:
        for key, value in data.items():
            if type(key) is not str:
                raise MessageNotJSON(f"The data cannot be sent as JSON: the key {key!r} is not a string.")
            if type(value) in (dict, list, tuple):
                _check_keys(value)
    elif type(data) in (list, tuple):
        for value in data:  # type: ignore[attr-defined]
            if type(value) in (dict, list, tuple):
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
