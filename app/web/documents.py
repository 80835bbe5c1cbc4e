"""Answers as JSON."""

import json
import math
from typing import Any

from starlette.responses import Response

Document = dict[str, Any]


class JSON(Response):
    """A JSON document. What a task gave may hold values that JSON does not have: those are shown as text."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """The body of the response."""
        return encoded(content)


def encoded(content: Any) -> bytes:
    """`content` as JSON."""
    try:
        text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=repr)
    except ValueError:
        text = json.dumps(_finite(content), ensure_ascii=False, separators=(",", ":"), default=repr)
    return text.encode(errors="replace")


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {name: _finite(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(member) for member in value]
    return value
