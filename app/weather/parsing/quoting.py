"""What a service wrote, made fit for a sentence of ours."""

import json
from typing import Final

LONGEST_VALUE: Final = 40
LONGEST_REASON: Final = 200


def readable(value: object, longest: int = LONGEST_VALUE) -> str:
    """A value of a reply as one line of at most `longest` printable characters; a question mark for any other.

    So no reply can move the cursor of a terminal, forge a line of a log, or hold a character that has no encoding.
    """
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    text = value if isinstance(value, str) else json.dumps(value)
    line = " ".join(text[: 4 * longest].split())
    return "".join(character if character.isprintable() else "?" for character in line[:longest])
