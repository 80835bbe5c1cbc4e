"""The body of a reply as JSON, or a sentence that says why it is none."""

import json
from collections.abc import Sequence

from app.weather.errors import ProviderUnreachable, ReplyNotUnderstood
from app.weather.parsing.quoting import readable


class RepeatedNameError(ValueError):
    """An object of the document says two things under one name."""


def decode(body: bytes, service: str) -> object:
    """The JSON document in `body`.

    NaN and Infinity, which JSON does not have, come through as numbers that are not finite: the row that holds one is
    refused, and the rows of other places are not.
    Raises ProviderUnreachable for a body that is empty, HTML or broken off, as a service in trouble and the proxies
    before it send with status 200; ReplyNotUnderstood for one that is whole but cannot be trusted.
    """
    if not body.strip():
        raise ProviderUnreachable(f"{service} sent an empty answer.")
    if body.lstrip().startswith(b"<"):
        raise ProviderUnreachable(f"{service} sent a web page instead of data: the service or a proxy is in trouble.")
    try:
        return json.loads(body.decode("utf-8"), object_pairs_hook=_object)
    except UnicodeDecodeError:
        raise ReplyNotUnderstood(f"{service} sent text that is not UTF-8.") from None
    except json.JSONDecodeError as error:
        raise ProviderUnreachable(
            f"{service} sent an answer that is broken off or no JSON ({error.msg.lower()} at character {error.pos})."
        ) from None
    except RecursionError:
        raise ReplyNotUnderstood(f"{service} sent an answer that is nested too deeply.") from None
    except RepeatedNameError as error:
        raise ReplyNotUnderstood(f"{service} sent an answer in which {error} stands twice.") from None
    except ValueError:  # Python reads no number of more than 4,300 digits
        raise ReplyNotUnderstood(f"{service} sent an answer with a number of far too many digits.") from None


def _object(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    """A JSON object; one that says two things under one name says nothing."""
    result = dict(pairs)
    if len(result) != len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise RepeatedNameError(f"'{readable(repeated)}'")
    return result


def member(document: object, *names: str) -> object:
    """The value below `document` at the path of `names`; None where any part of the path is missing or no object."""
    for name in names:
        if not isinstance(document, dict):
            return None
        document = document.get(name)
    return document
