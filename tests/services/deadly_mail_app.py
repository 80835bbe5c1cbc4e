"""The application with a mail task whose process is killed once, when the mail is sent and nothing else is done."""

from typing import Any

from app.celery import app
from tasks.mail import send_mail
from tests.services.death import die_the_first_time

__all__ = ["app"]

_send = send_mail.run


def _send_and_die_once(*arguments: Any) -> str:
    message_id = _send(*arguments)
    die_the_first_time()
    return str(message_id)


send_mail.run = _send_and_die_once
