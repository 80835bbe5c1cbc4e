"""What can go wrong with messages; the text of each error is a sentence for the person who runs the program."""

import re
from typing import Self
from urllib.parse import urlsplit

DIFFERENCE = re.compile(r"inequivalent arg '(.+?)' for (\w+) '(.+)' in vhost '.*': received (.+) but current is (.+)")
"""RabbitMQ's text for a declaration that differs."""


class MessagingError(Exception):
    """The base of every error of this part."""


class ConfigurationError(MessagingError, ValueError):
    """A value given to this part cannot be used."""


class BrokerUnreachable(MessagingError):
    """RabbitMQ does not answer where it should."""


class BrokerRefused(MessagingError):
    """RabbitMQ answers, and does not let us: the user, the password, the virtual host or a permission is wrong."""


class DeclarationDiffers(MessagingError):
    """A queue or an exchange of that name exists with other properties."""

    @classmethod
    def from_reply(cls, reply: str) -> Self:
        """Turn what RabbitMQ says with its code 406 into a sentence that names both values and the ways out."""
        found = DIFFERENCE.search(reply)
        if not found:
            return cls(f"RabbitMQ refuses the declaration: {reply}.")
        argument, kind, name, asked, present = found.groups()
        return cls(
            f"The {kind} {name!r} exists with {argument} {_value(present)}, and {_value(asked)} was asked for: "
            f"ask for the same, take another name, or delete the {kind}."
        )


class MessageNotJSON(MessagingError, ValueError):
    """Data that JSON cannot express exactly, or a body that is not JSON."""


class MessageUnroutable(MessagingError):
    """No queue takes the message; RabbitMQ gave it back."""


class MessageNotConfirmed(MessagingError):
    """RabbitMQ did not confirm in time that it keeps the message, or refused to; it may or may not have it."""


class MessageRejected(MessagingError):
    """Raised by a handler: this message can never be handled, so it is dead-lettered without another try."""


class CallTimedOut(MessagingError):
    """No answer came within the time limit."""


class CallFailed(MessagingError):
    """The other side tried and failed; the text is what it said."""


def masked(url: str) -> str:
    """`url` without its password and its query, fit for a log."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "(a URL that cannot be read)"
    user = f"{parts.username}:***@" if parts.password else f"{parts.username}@" if parts.username else ""
    return f"{parts.scheme}://{user}{parts.hostname or ''}{port}{parts.path}"


def _value(text: str) -> str:
    """One side of RabbitMQ's comparison, without its remark about the wire type."""
    return re.sub(r"^the value | of type '\w+'$", "", text.strip()).strip("'")
