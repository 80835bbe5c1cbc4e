"""Exact JSON, both ways."""

from typing import Any

import pytest

from app.messaging.body import PERSISTENT, TRANSIENT, decode, encode, message
from app.messaging.errors import MessageNotJSON


@pytest.mark.parametrize(
    "data",
    [{"a": [1, 2.5, None, True, "текст 🌧"]}, [], "", 0, 10**30, -0.0, {"": {"": {}}}, "\x00\u2028"],
    ids=str,
)
def test_what_is_encoded_comes_back(data: Any) -> None:
    """The value that is read is the value that was written, of the same types."""
    assert repr(decode(encode(data))) == repr(data)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        pytest.param(float("nan"), "not JSON compliant", id="NaN"),
        pytest.param({"a": float("inf")}, "not JSON compliant", id="infinity"),
        pytest.param({1: "a"}, "the key 1 is not a string", id="number as a key"),
        pytest.param({"a": [{None: 1}]}, "the key None is not a string", id="key deep inside"),
        pytest.param({"a": b"bytes"}, "bytes is not JSON serializable", id="bytes"),
        pytest.param("\ud800", "surrogates not allowed", id="half a surrogate pair"),
    ],
)
def test_what_json_cannot_express_is_refused(data: Any, sentence: str) -> None:
    """Nothing is changed without a word on its way into a message."""
    with pytest.raises(MessageNotJSON, match=f"^The data cannot be sent as JSON: .*{sentence}"):
        encode(data)


def test_data_that_contain_themselves_are_refused() -> None:
    """A circle has no end, so it has no JSON."""
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(MessageNotJSON, match="Circular reference"):
        encode(circle)


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"text", b"{", b'{"a": NaN}', b"-Infinity", b"1e999", b"1 2"),
        *(b"\xff", '"a"'.encode("utf-16"), b"\xef\xbb\xbf1", b"[" * 100_000, b"1" * 5_000),
    ],
    ids=lambda content: repr(content[:12]),
)
def test_what_is_not_json_is_refused(content: bytes) -> None:
    """Anything but RFC 8259 in UTF-8 is refused in a sentence."""
    with pytest.raises(MessageNotJSON, match=r"^The body is not JSON: .*\.$"):
        decode(content)


def test_message_is_persistent_unless_told_otherwise() -> None:
    """Only what is told not to matter is not kept on disk."""
    modes = [message({}, persistent=persistent).properties.delivery_mode for persistent in (True, False)]
    assert modes == [PERSISTENT, TRANSIENT]
