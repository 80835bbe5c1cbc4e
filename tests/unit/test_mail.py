"""Mails as they are composed: nothing that is given can become another header, address or command."""

from email import message_from_bytes
from email.policy import SMTP

import pytest

from app.mail import LONGEST_BODY, LONGEST_SUBJECT, InvalidMail, MailServer, compose

HEADERS = ("From", "To", "Subject", "Content-Type", "Content-Transfer-Encoding", "MIME-Version", "Date", "Message-ID")


@pytest.mark.parametrize(
    "to",
    [
        "",
        "ada",
        "@example.org",
        "ada@",
        "ada@example.org, eve@example.org",
        "ada@example.org;eve@example.org",
        "Ada <ada@example.org>",
        "ada@example.org\r\nBcc: eve@example.org",
        "ada@example.org\n",
        "a da@example.org",
        "ada@exa@mple.org",
        "jürgen@example.org",
        "ada@[127.0.0.1]",
        f"{'a' * 250}@example.org",
    ],
)
def test_only_one_plain_address_is_taken(to: str) -> None:
    """Anything else is refused with a sentence."""
    with pytest.raises(InvalidMail, match="is no mail address"):
        compose("weatherbeat@localhost", to, "Hello", "Hello.", "1")


@pytest.mark.parametrize("subject", ["Hello\r\nBcc: eve@example.org", "a\nb", "a\0b", "\x85", "\u2028", "a" * 501])
def test_a_subject_is_one_line(subject: str) -> None:
    """A line break in it would begin another header."""
    assert len(subject) > LONGEST_SUBJECT or not subject.isprintable()
    with pytest.raises(InvalidMail, match="A subject is one line"):
        compose("weatherbeat@localhost", "ada@example.org", subject, "Hello.", "1")


@pytest.mark.parametrize(
    "subject",
    [
        "=?utf-8?b?SW52b2ljZQ0KQmNjOiBldmlsQGV4YW1wbGUub3JnDQoNCkFub3RoZXIgYm9keQ==?=",
        "=?utf-8?q?Invoice=0D=0ABcc:_eve@example.org?=",
        "Invoice =?utf-8?q?=0ABcc:_eve@example.org?= of today",
        "a=?utf-8?q?=0ABcc:_eve@example.org?=",
        "日本 =?utf-8?q?=0D=0ABcc:_eve@example.org?=",
        "=?utf-8?q?Hello?=",
        "=?nonsense?q?Hello?=",
    ],
)
def test_a_subject_is_never_decoded(subject: str) -> None:
    """What an encoded word stands for would be written into the header: it is refused, harmless or not."""
    with pytest.raises(InvalidMail, match="A subject is plain text"):
        compose("weatherbeat@localhost", "ada@example.org", subject, "Hello.", "1")


@pytest.mark.parametrize("subject", ["1 =? 2", "=?utf-8?", "a  b", "=" * 500, "é" * 500, "?= =?", "x " * 250])
def test_a_subject_arrives_as_it_was_written(subject: str) -> None:
    """What only begins like an encoded word, runs of spaces, and lines that are folded on the way."""
    written = compose("weatherbeat@localhost", "ada@example.org", subject, "Hello.", "1").as_bytes()
    read = message_from_bytes(written, policy=SMTP)
    assert (read["Subject"], read.get_content().strip()) == (subject, "Hello.")
    assert sorted(read.keys()) == sorted(HEADERS)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [("a" * (LONGEST_BODY + 1), "A body has up to"), ("\ud800", "The mail cannot be written")],
    ids=["too long", "half a surrogate pair"],
)
def test_a_body_that_cannot_be_sent_is_refused(body: str, sentence: str) -> None:
    """Too long, or no text."""
    with pytest.raises(InvalidMail, match=sentence):
        compose("weatherbeat@localhost", "ada@example.org", "Hello", body, "1")


def test_a_mail_says_what_it_was_given() -> None:
    """Any script in subject and body, and a Message-ID that is the same for the same id."""
    mail = compose("weatherbeat@example.org", "ada@example.net", "日本: 5 °C", "Łódź\n.\n日本\n", "7")
    assert (mail["Subject"], mail["To"], mail["Message-ID"]) == ("日本: 5 °C", "ada@example.net", "<7@example.org>")
    assert mail.get_content() == "Łódź\n.\n日本\n"
    assert b"Bcc" not in mail.as_bytes()


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail", MailServer("mail", 25, False)),
        ("smtps://mail", MailServer("mail", 465, True)),
        ("smtp://me%40x:p%3Aw@mail:587", MailServer("mail", 587, False, "me@x", "p:w")),
    ],
)
def test_a_server_is_named_by_a_url(url: str, server: MailServer) -> None:
    """With the ports that belong to the scheme."""
    assert MailServer.from_url(url) == server
    assert "p:w" not in repr(server)
