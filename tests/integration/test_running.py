"""Flower's password and beat's schedule, on the programs themselves."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from app.application import YOUNG_OBJECTS
from tests.services.celery import Beat, Flower, Worker
from tests.services.rabbitmq import VirtualHost
from tests.waiting import wait_until

PROJECT = Path(__file__).parents[2]
TELLING = """
import gc
from celery.signals import worker_process_init

@worker_process_init.connect
def tell(**_):
    print(f"looks after {gc.get_threshold()[0]}", flush=True)
"""


def celery(*arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    """Run a program of Celery's command line that is expected to end by itself."""
    return subprocess.run(
        [sys.executable, "-m", "celery", "-A", "app", *arguments],
        cwd=PROJECT,
        env={**os.environ, **settings},
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "flower.example"])  # noqa: S104 - it must refuse
def test_flower_without_a_password_does_not_leave_the_machine(address: str, tmp_path: Path) -> None:
    """Flower that others could reach does not start without a password, and says so in one sentence."""
    run = celery("flower", f"--address={address}", DATA_DIR=str(tmp_path))
    assert run.returncode == 1
    assert run.stderr.splitlines() == [
        f"Flower would listen on {address} without a password: "
        "set FLOWER_BASIC_AUTH=user:password, or leave the address at 127.0.0.1."
    ]


def test_flower_asks_for_its_password(tmp_path: Path) -> None:
    """With FLOWER_BASIC_AUTH set, Flower shows nothing to whoever does not know it, commas included."""
    settings = {"DATA_DIR": str(tmp_path / "data"), "FLOWER_BASIC_AUTH": "me:sec,ret"}
    with Flower(tmp_path / "flower", settings) as flower:
        answers = [
            requests.get(flower.url, auth=auth, timeout=10).status_code
            for auth in (None, ("me", "wrong"), ("me", "sec"), ("me", "sec,ret"))
        ]
    assert answers == [401, 401, 401, 200]


def test_flower_on_the_loopback_is_open(tmp_path: Path) -> None:
    """Without a password, Flower on 127.0.0.1 shows its pages to this machine."""
    with Flower(tmp_path / "flower", {"DATA_DIR": str(tmp_path / "data")}) as flower:
        assert requests.get(flower.url, timeout=10).status_code == 200


def test_beat_keeps_its_schedule_in_the_data_folder(tmp_path: Path, vhost: VirtualHost) -> None:
    """Without a result store, it makes the folder that a new clone lacks, and leaves the working folder alone."""
    data = tmp_path / "not" / "there" / "yet"
    with Beat(tmp_path / "beat", {"DATA_DIR": str(data), "CELERY_BROKER_URL": vhost.url}):
        assert list(data.glob("celerybeat-schedule*"))
    assert not list(PROJECT.glob("celerybeat-schedule*"))


def test_beat_that_cannot_keep_its_schedule_says_so(tmp_path: Path) -> None:
    """A data folder that cannot be made ends beat with a sentence that names it, and no traceback."""
    (tmp_path / "file").touch()
    run = celery("beat", DATA_DIR=str(tmp_path / "file" / "data"), CELERY_BROKER_URL="amqp://127.0.0.1:1//")
    assert run.returncode == 1
    assert "Beat cannot make the folder of its schedule" in run.stderr
    assert str(tmp_path / "file" / "data") in run.stderr
    assert "Traceback" not in run.stdout + run.stderr


@pytest.mark.parametrize("pool", ["prefork", "solo"])
def test_a_worker_looks_for_garbage_less_often(pool: str, tmp_path: Path) -> None:
    """What runs its tasks, a process of its pool too, does not spend a tenth of a short one on that."""
    (tmp_path / "telling.py").write_text(TELLING)
    settings = {"DATA_DIR": str(tmp_path / "data"), "PYTHONPATH": str(tmp_path)}
    with Worker(tmp_path / "worker", settings, pool=pool, concurrency=1, arguments=("--include", "telling")) as worker:
        wait_until(lambda: f"looks after {YOUNG_OBJECTS}" in worker.log(), 10, "the process says when it looks")
