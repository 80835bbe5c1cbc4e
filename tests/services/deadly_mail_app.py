"""The application with a mail task whose process is killed once, when the mail is sent and nothing else is done."""

import os
import signal
from pathlib import Path
from typing import Any

from app.celery import app
from tasks.mail import send_mail

__all__ = ["app"]

_send = send_mail.run


def _send_and_die_once(*arguments: Any) -> str:
    message_id = _send(*arguments)
    with Path(os.environ["RUNS"]).open("a+") as runs:
        runs.write("run\n")
        runs.seek(0)
        if len(runs.readlines()) == 1:
            runs.flush()
            os.kill(os.getpid(), signal.SIGKILL)
    return str(message_id)


send_mail.run = _send_and_die_once
