"""Tasks that send mail."""

from typing import Any

from celery import Task, uuid
from celery.utils.log import get_task_logger
from celery.utils.time import get_exponential_backoff_interval
from redis import RedisError

from app.celery import app
from app.hand_over import HandOver, InDoubt, UnderWay
from app.mail import TAKE_SECONDS, MailError, MailInDoubt, MailNotTaken, MailRefused, MailServer, compose, send
from app.settings import get_settings
from tasks.accounts import NoSharedStore, shared_store

BACKOFF_SECONDS = 2
LONGEST_BACKOFF_SECONDS = 600
MOST_RETRIES = 100
"""With these, a mail is given up after about eight hours."""
WITHOUT_SERVER = "No mail server is configured: set SMTP_URL, as smtp://user:password@mail.example.org:587."

logger = get_task_logger(__name__)


class NoMailServer(MailError):
    """There is no mail server to send with."""


# On Redis, a task whose process was killed is sent again after the default delay, which would be three minutes.
@app.task(bind=True, max_retries=MOST_RETRIES, default_retry_delay=BACKOFF_SECONDS, throws=(MailError, NoSharedStore))
def send_mail(self: "Task[Any, str]", to: str, subject: str, body: str) -> str:
    """Send a mail to one address; returns its Message-ID, which comes from the id of this task and stays the same.

    When the server is away or asks to come again, it is tried again after a growing, random delay. What the server
    said it has is never sent again, and neither is what it may have because a worker was killed at that very moment:
    the task then fails with MailInDoubt, and whoever sent the mail can look for its Message-ID at the server. One
    double remains possible: a server that keeps a mail and breaks off before it says so gets it again, with the same
    Message-ID, by which it or the reader's program can drop it (RFC 5321, 6.1, wants it sent again).

    Raises InvalidMail, MailRefused, MailInDoubt, MailNotTaken when all tries have failed, NoMailServer, and
    NoSharedStore where results, and with them the marks of what was sent, are not in Redis or Valkey.
    """
    settings = get_settings()
    if settings.smtp_url is None:
        raise NoMailServer(WITHOUT_SERVER)
    message = compose(settings.mail_from, to, subject, body, self.request.id or uuid())
    message_id = str(message["Message-ID"])
    try:
        hand_over = HandOver(shared_store(), f"mail:{message_id}", TAKE_SECONDS, (MailNotTaken, MailRefused))
        if not hand_over.is_done():
            send(MailServer.from_url(settings.smtp_url), message, hand_over)
    except InDoubt:
        raise MailInDoubt(_in_doubt(message_id)) from None
    except UnderWay as other:
        raise self.retry(exc=MailInDoubt(_in_doubt(message_id)), countdown=other.seconds) from None
    except (MailNotTaken, RedisError) as error:
        logger.warning("The mail %s waits: %s", message_id, error)
        raise self.retry(exc=error, countdown=_delay(self.request.retries)) from None
    return message_id


def _in_doubt(message_id: str) -> str:
    return (
        f"A worker was killed while it handed the mail {message_id} to the mail server, which may have it or not: "
        "look for that Message-ID there, and send the mail anew if it is not there."
    )


def _delay(retries: int) -> float:
    return 1 + get_exponential_backoff_interval(BACKOFF_SECONDS, retries, LONGEST_BACKOFF_SECONDS, full_jitter=True)
