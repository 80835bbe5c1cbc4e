"""Mails: each comes once, whatever happens to the mail server or to the worker."""

import os
from collections.abc import Iterator
from contextlib import suppress
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis
import requests
from celery import uuid

from app.hand_over import MARK_PREFIX, HandOver, InDoubt, UnderWay
from app.idempotency import KEEP_SECONDS
from app.mail import InvalidMail, MailInDoubt, MailNotTaken, MailRefused, compose, send
from app.mail import MailServer as Server
from tests.services.celery import Worker
from tests.services.rabbitmq import VirtualHost
from tests.services.setup import ProjectSetup
from tests.services.smtp import TAKEN, MailServer
from tests.services.valkey import Valkey
from tests.services.web import WebFront
from tests.waiting import wait_until

LIMIT = 60.0
MAIL = {"to": "ada@example.org", "subject": "Погода", "body": "It rains.\n.\nIt does.\n"}

REFUSED, LATER = "To be refused", "To come again"

pytestmark = pytest.mark.timeout(120)


class DeadlyWorker(Worker):
    """A worker whose process is killed once, between sending a mail and acknowledging its task."""

    application = "tests.services.deadly_mail_app"


class NotTaken(Exception):
    """The service does not have it."""


@pytest.fixture(scope="module")
def server() -> Iterator[MailServer]:
    answers = {REFUSED: ["550 no such mailbox"] * 9, LATER: ["451 come again"]}

    def answer(mail: EmailMessage) -> str:
        prepared = answers.get(mail["Subject"])
        return prepared.pop() if prepared else TAKEN

    with MailServer(answer) as server:
        yield server


@pytest.fixture(scope="module")
def settings(server: MailServer, valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return {
        "CELERY_BROKER_URL": valkey.url,
        "CELERY_RESULT_BACKEND": valkey.url,
        "DATA_DIR": str(tmp_path_factory.mktemp("data")),
        "SMTP_URL": server.url,
        "MAIL_FROM": "weatherbeat@example.net",
    }


@pytest.fixture(scope="module")
def worker(settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    with Worker(tmp_path_factory.mktemp("worker"), settings) as worker:
        yield worker


@pytest.fixture
def celery_app(settings: dict[str, str]) -> Iterator[Any]:
    with ProjectSetup.installed_app(os.environ | settings) as app:
        yield app


@pytest.fixture
def store(valkey: Valkey) -> Iterator["redis.Redis[str]"]:
    with valkey.client() as client:
        yield client


def ids(server: MailServer) -> list[str]:
    return [str(mail["Message-ID"]) for mail in server.mails]


def test_a_mail_comes_as_it_was_given(
    server: MailServer, settings: dict[str, str], worker: Worker, tmp_path: Path
) -> None:
    """From the request to the mail server: once, and under the id of its task."""
    with WebFront(tmp_path, settings) as web:
        wrong = requests.post(f"{web.url}/mails", json=MAIL | {"subject": "a\r\nBcc: eve@example.org"}, timeout=LIMIT)
        accepted = requests.post(f"{web.url}/mails", json=MAIL, timeout=LIMIT)
        assert (wrong.status_code, accepted.status_code) == (422, 202), accepted.text
        assert "A subject is one line" in wrong.json()["detail"]
        task = accepted.json()
        assert task["url"] == f"/api/tasks/{task['id']}"
        message_id = f"<{task['id']}@example.net>"
        wait_until(
            lambda: requests.get(web.url + task["url"], timeout=LIMIT).json()["result"] == message_id, LIMIT, "sent"
        )
    (mail,) = [mail for mail in server.mails if mail["Message-ID"] == message_id]
    assert (mail["To"], mail["Subject"], mail["From"]) == (MAIL["to"], MAIL["subject"], "weatherbeat@example.net")
    assert mail.get_content().replace("\r\n", "\n") == MAIL["body"]


def test_a_server_that_is_away_gets_each_mail_once_when_it_is_back(
    server: MailServer, worker: Worker, celery_app: Any
) -> None:
    """Nobody has to send anything again."""
    server.stop()
    sent = [celery_app.send_task("tasks.mail.send_mail", tuple(MAIL.values())) for _ in range(5)]
    try:
        wait_until(lambda: all(f"{task.id}@" in worker.log() for task in sent), LIMIT, "each has been tried")
    finally:
        server.start()
    assert [task.get(timeout=LIMIT) for task in sent] == [f"<{task.id}@example.net>" for task in sent]
    assert [ids(server).count(f"<{task.id}@example.net>") for task in sent] == [1] * 5


def test_a_mail_sent_twice_under_one_id_comes_once(server: MailServer, worker: Worker, celery_app: Any) -> None:
    """As when its sender did not hear that the broker has it."""
    task_id = uuid()
    for _ in range(2):
        celery_app.send_task("tasks.mail.send_mail", tuple(MAIL.values()), task_id=task_id).get(timeout=LIMIT)
        celery_app.backend.forget(task_id)  # so that the worker cannot see that it has been done
    assert ids(server).count(f"<{task_id}@example.net>") == 1


def test_a_worker_killed_between_sending_and_acknowledging_does_not_send_again(
    server: MailServer, settings: dict[str, str], vhost: VirtualHost, tmp_path: Path
) -> None:
    """The task runs again, in the next worker, and finds that its mail is sent."""
    runs = tmp_path / "runs"
    own = settings | {"CELERY_BROKER_URL": vhost.url, "RUNS": str(runs)}
    with (
        ProjectSetup.installed_app(os.environ | own) as app,
        DeadlyWorker(tmp_path / "worker", own, pool="solo") as worker,
    ):
        task = app.send_task("tasks.mail.send_mail", tuple(MAIL.values()))
        wait_until(runs.exists, LIMIT, "the task has run and died")
        wait_until(lambda: not worker.is_running, LIMIT, "the worker has died with its task")
        worker.start()
        assert task.get(timeout=LIMIT) == f"<{task.id}@example.net>"
    assert runs.read_text() == "run\nrun\n"
    assert ids(server).count(f"<{task.id}@example.net>") == 1


def test_a_worker_killed_while_the_server_takes_the_mail_leaves_it_in_doubt(
    settings: dict[str, str], vhost: VirtualHost, tmp_path: Path
) -> None:
    """The server has all of it and nobody heard that: the next run does not guess, and waits until it is certain."""
    killed: list[int] = []

    def kill_and_take(mail: EmailMessage) -> str:
        for child in psutil.Process(worker.pid).children():
            with suppress(psutil.NoSuchProcess):
                child.kill()
                killed.append(child.pid)
        return TAKEN

    with MailServer(kill_and_take) as server:
        own = settings | {"CELERY_BROKER_URL": vhost.url, "SMTP_URL": server.url}
        worker = Worker(tmp_path / "worker", own, concurrency=1)
        with ProjectSetup.installed_app(os.environ | own) as app, worker:
            task = app.send_task("tasks.mail.send_mail", tuple(MAIL.values()))
            wait_until(lambda: task.state == "RETRY", LIMIT, "the next run waits")
            assert isinstance(task.result, MailInDoubt)
            assert f"<{task.id}@example.net>" in str(task.result)
        assert len(server.mails) == len(server.offered) == len(killed) == 1


def test_only_one_run_hands_over(store: Any) -> None:
    """A second one waits, then says that it is in doubt; when the first has ended, it has nothing to do."""
    first, second = (HandOver(store, "thing", 300, (NotTaken,)) for _ in range(2))
    assert not first.is_done()
    with first:
        with pytest.raises(UnderWay) as wait:
            second.is_done()
        assert 295 < wait.value.seconds <= 301
        with pytest.raises(UnderWay), second:
            pytest.fail("both hand over")
        store.expire(f"{MARK_PREFIX}thing", KEEP_SECONDS - 301)
        with pytest.raises(InDoubt):
            second.is_done()
    assert second.is_done()
    store.delete(f"{MARK_PREFIX}thing")


@pytest.mark.parametrize(("error", "again"), [(NotTaken, True), (ValueError, False)])
def test_what_was_not_taken_may_be_handed_over_again(store: Any, error: type[Exception], again: bool) -> None:
    """And what may have been taken may not."""
    hand_over = HandOver(store, "thing", 300, (NotTaken,))
    with pytest.raises(error), hand_over:
        raise error
    if again:
        assert not hand_over.is_done()
    else:
        with pytest.raises(UnderWay):
            hand_over.is_done()
    store.delete(f"{MARK_PREFIX}thing")


class Block:
    """Notes how a block ended."""

    def __init__(self) -> None:
        self.ended_with: type[BaseException] | str | None = "not begun"

    def __enter__(self) -> None:
        self.ended_with = "not ended"

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.ended_with = kind


@pytest.mark.parametrize(
    ("answer", "error"),
    [("451 come again", MailNotTaken), ("550 no such mailbox", MailRefused), ("421 closing", MailNotTaken)],
)
def test_the_servers_answer_says_whether_to_come_again(answer: str, error: type[Exception]) -> None:
    """4xx is tried again, 5xx never; the answer is in the sentence, and the block of the hand-over hears of it."""
    block, mail = Block(), compose("me@example.net", "ada@example.org", "Hello", "Hello.", "1")
    with MailServer(lambda mail: answer) as server, pytest.raises(error, match=answer.replace(" ", ": ", 1)):
        send(Server.from_url(server.url), mail, block)
    assert block.ended_with is error


def test_a_server_that_is_away_has_nothing_begun() -> None:
    """The hand-over begins when the server is there and has agreed to sender and receiver."""
    block, mail = Block(), compose("me@example.net", "ada@example.org", "Hello", "Hello.", "1")
    with pytest.raises(MailNotTaken, match="does not answer"):
        send(Server.from_url("smtp://127.0.0.1:9"), mail, block)
    assert block.ended_with == "not begun"


def test_a_password_is_not_told_without_encryption() -> None:
    """Unless the server is on this machine, where nobody listens."""
    mail = compose("me@example.net", "ada@example.org", "Hello", "Hello.", "1")
    with MailServer() as server:
        here = Server("127.0.0.1", server.port, encrypted=False, user="me", password="secret")  # noqa: S106 - no secret
        with pytest.raises(MailRefused):  # it knows no AUTH: it was asked
            send(here, mail, Block())
        assert not Server("mail.example.org", 25, encrypted=False).is_local
    assert server.mails == []


def test_what_is_no_mail_is_not_sent(worker: Worker, celery_app: Any) -> None:
    """A task that was sent past the web front checks it all the same."""
    task = celery_app.send_task("tasks.mail.send_mail", ("nobody", "Hello", "Hello."))
    with pytest.raises(InvalidMail, match="is no mail address"):
        task.get(timeout=LIMIT)


def test_a_refused_mail_is_not_tried_again(server: MailServer, worker: Worker, celery_app: Any) -> None:
    """The task fails with what the server said; one that is to come again does, and is taken in the end."""
    refused, later = (
        celery_app.send_task("tasks.mail.send_mail", (MAIL["to"], subject, "Hello.")) for subject in (REFUSED, LATER)
    )
    with pytest.raises(MailRefused, match="550: no such mailbox"):
        refused.get(timeout=LIMIT)
    assert later.get(timeout=LIMIT) == f"<{later.id}@example.net>"
    subjects = [mail["Subject"] for mail in server.offered]
    assert (subjects.count(REFUSED), subjects.count(LATER), ids(server).count(later.result)) == (1, 2, 1)
