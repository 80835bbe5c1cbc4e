"""A real mail server in this process, which keeps what it has said it has, and can be told how to answer."""

from collections.abc import Callable
from email import message_from_bytes, policy
from email.message import EmailMessage

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.services.ports import free_ports

TAKEN = "250 OK"
Answer = Callable[[EmailMessage], str]


class MailServer:
    """A mail server on a port of 127.0.0.1, which it keeps over restarts."""

    def __init__(self, answer: Answer = lambda mail: TAKEN) -> None:
        """Prepare it; `answer` is called when the whole of a mail is there, before anybody is told."""
        (self.port,) = free_ports(1)
        self.url = f"smtp://127.0.0.1:{self.port}"
        self.mails: list[EmailMessage] = []
        """What it has said it has, or would have said."""
        self.offered: list[EmailMessage] = []
        self._answer = answer
        self._controller: Controller | None = None

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's
        assert isinstance(envelope.content, bytes)
        mail = message_from_bytes(envelope.content, _class=EmailMessage, policy=policy.default)
        self.offered.append(mail)
        answer = self._answer(mail)
        if answer == TAKEN:
            self.mails.append(mail)
        return answer

    def start(self) -> None:
        self._controller = Controller(self, "127.0.0.1", self.port)
        self._controller.start()

    def stop(self) -> None:
        if self._controller is not None:
            self._controller.stop(no_assert=True)
            self._controller = None

    def __enter__(self) -> "MailServer":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
