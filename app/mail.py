"""Mail over SMTP: one message to one person, and a clear answer to whether the server has taken it."""

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import formatdate
from ipaddress import ip_address
from typing import Final, Self
from urllib.parse import unquote, urlsplit

STEP_SECONDS: Final = 30.0
TAKE_SECONDS: Final = 300.0
"""How long the server may think about a whole message before it says that it has it (RFC 5321, 4.5.3.2.6: minutes)."""
LONGEST_SUBJECT: Final = 500
LONGEST_BODY: Final = 100_000
"""Letters."""
OK: Final = (250, 251, 252)


class MailError(Exception):
    """A mail was not sent."""


class InvalidMail(MailError, ValueError):
    """An address, a subject or a body cannot be sent as it is."""


class MailNotTaken(MailError):
    """The server is away, or asks to come again (4xx): it does not have the mail, and sending it later makes sense."""


class MailRefused(MailError):
    """The server refuses the mail for good (5xx); sending it again makes no sense."""


class MailInDoubt(MailError):
    """The server was given the mail, and nobody heard it say that it has it."""


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mail is handed over."""

    host: str
    port: int
    encrypted: bool
    """From the first byte on (smtps); otherwise as soon as the server offers it (STARTTLS)."""
    user: str | None = None
    password: str | None = field(default=None, repr=False)

    @classmethod
    def from_url(cls, url: str) -> Self:
        """The server that an smtp:// or smtps:// URL names; by default on the ports 25 and 465."""
        parts = urlsplit(url)
        encrypted = parts.scheme == "smtps"
        user, password = (unquote(part) if part else None for part in (parts.username, parts.password))
        return cls(parts.hostname or "", parts.port or (465 if encrypted else 25), encrypted, user, password)

    @property
    def is_local(self) -> bool:
        """Whether nobody can listen on the way there."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


def compose(sender: str, to: str, subject: str, body: str, message_id: str) -> EmailMessage:
    """A mail as it is sent; `message_id` is the part before the @ of its Message-ID.

    Raises InvalidMail for what is no single plain address, and for a subject that would begin another header or that
    the reader would see otherwise than it was written (encoded words, RFC 2047).
    """
    if not subject.isprintable() or len(subject) > LONGEST_SUBJECT:
        raise InvalidMail(f"A subject is one line of up to {LONGEST_SUBJECT} printable letters.")
    if len(body) > LONGEST_BODY:
        raise InvalidMail(f"A body has up to {LONGEST_BODY:,} letters.")
    message = EmailMessage(SMTP_POLICY)
    try:
        message["From"] = _address(sender)
        message["To"] = _address(to)
        message["Subject"] = subject
        if str(message["Subject"]) != subject:  # it was decoded, and may have become several lines
            raise InvalidMail("A subject is plain text: write what it is to say, without encoded words such as =?…?=.")
        message.set_content(body)
        message.as_bytes()
    except (UnicodeError, MessageError, ValueError) as error:
        raise (
            error if isinstance(error, InvalidMail) else InvalidMail(f"The mail cannot be written: {error}.")
        ) from None
    message["Date"] = formatdate()
    message["Message-ID"] = f"<{message_id}@{sender.rpartition('@')[2]}>"
    return message


def send(server: MailServer, message: EmailMessage, handing_over: AbstractContextManager[object]) -> None:
    """Send `message`; the server gets the whole of it, and says that it has it, within the block `handing_over`.

    Raises MailNotTaken, MailRefused, MailInDoubt.
    """
    with _answers(server), _connected(server) as smtp:
        _check(smtp.mail(message["From"].addresses[0].addr_spec))
        _check(smtp.rcpt(message["To"].addresses[0].addr_spec))
        written = message.as_bytes()
        with handing_over, _answers(server):
            _check(_hand_over(smtp, written))


def _hand_over(smtp: smtplib.SMTP, message: bytes) -> tuple[int, bytes]:
    if smtp.sock is not None:
        smtp.sock.settimeout(TAKE_SECONDS)
    try:
        return smtp.data(message)
    except smtplib.SMTPServerDisconnected as error:
        # One that breaks off has not taken the mail on (RFC 5321, 4.2.5). One that is silent may still do so.
        if isinstance(error.__context__, TimeoutError):
            text = f"The mail server was given the mail and did not answer for {TAKE_SECONDS:g} s."
            raise MailInDoubt(text) from None
        raise


@contextmanager
def _connected(server: MailServer) -> Iterator[smtplib.SMTP]:
    context = ssl.create_default_context()
    smtp = (
        smtplib.SMTP_SSL(server.host, server.port, timeout=STEP_SECONDS, context=context)
        if server.encrypted
        else smtplib.SMTP(server.host, server.port, timeout=STEP_SECONDS)
    )
    try:
        smtp.ehlo_or_helo_if_needed()
        if not server.encrypted and smtp.has_extn("starttls"):
            smtp.starttls(context=context)
            smtp.ehlo()
        elif server.user and not (server.encrypted or server.is_local):
            raise MailRefused(f"The mail server at {server.host} offers no encryption: it is not told the password.")
        if server.user:
            smtp.login(server.user, server.password or "")
        yield smtp
    finally:
        with suppress(smtplib.SMTPException, OSError):
            smtp.putcmd("quit")  # nobody waits for the answer: the server has the mail already, or will not have it
        smtp.close()


@contextmanager
def _answers(server: MailServer) -> Iterator[None]:
    """What smtplib raises, as our errors."""
    where = f"The mail server at {server.host}:{server.port}"
    try:
        yield
    except smtplib.SMTPResponseException as error:
        raise _refusal(error.smtp_code, error.smtp_error) from None
    except smtplib.SMTPNotSupportedError as error:
        raise MailRefused(f"{where} cannot do what is needed: {error}") from None
    except (smtplib.SMTPException, OSError) as error:
        raise MailNotTaken(f"{where} does not answer: {error}") from error


def _check(answer: tuple[int, bytes]) -> None:
    if answer[0] not in OK:
        raise _refusal(*answer)


def _refusal(code: int, text: bytes | str) -> MailError:
    said = text.decode(errors="replace") if isinstance(text, bytes) else text
    sentence = f"The mail server answered {code}: {' '.join(said.split())}"
    return MailRefused(sentence) if code >= 500 else MailNotTaken(sentence)


def _address(text: str) -> str:
    """`text`, when it is one address of plain letters; nothing else may become part of a header or a command."""
    if not (text.isascii() and text.isprintable()) or set(text) & set(' ,;:<>()[]"\\'):
        raise InvalidMail(f"{text[:100]!r} is no mail address; use one, as ada@example.org.")
    try:
        address = Address(addr_spec=text)
    except (MessageError, ValueError, IndexError):
        raise InvalidMail(f"{text[:100]!r} is no mail address; use one, as ada@example.org.") from None
    if not (address.username and address.domain) or len(text) > 254:  # RFC 5321, 4.5.3.1.3
        raise InvalidMail(f"{text[:100]!r} is no mail address; use one, as ada@example.org.")
    return text
