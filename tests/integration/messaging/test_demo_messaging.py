"""`python -m app.demo_messaging` as a person and as a program use it, on a real broker."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

import psutil
import pytest

from app.experiments.catalogue import EXPERIMENTS
from app.messaging.roles.steps import Step
from tests.integration.messaging.programs import ROOT, send
from tests.services.process import LocalProcess
from tests.services.rabbitmq import RabbitMQ, VirtualHost
from tests.waiting import wait_until

NAMES = [
    *("hello", "ack", "durable", "fair", "work"),
    *("fanout", "direct", "topic", "headers", "logger", "types"),
    *("models", "training", "media", "calls"),
]
STEP_FIELDS = {"who"} | {field.name for field in fields(Step)}
DEMO = (sys.executable, "-m", "app.demo_messaging")
LIMIT = 270  # three dozen programs, one after another, on a machine with other things to do

pytestmark = pytest.mark.timeout(120)


def demo(settings: Mapping[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*DEMO, *arguments],
        cwd=ROOT,
        env=os.environ | settings,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )


def left_behind(vhost: VirtualHost) -> list[str]:
    """Every queue, and every exchange that RabbitMQ has not made itself."""
    return [name for name in (*vhost.queues(), *vhost.exchanges()) if name and not name.startswith("amq.")]


@pytest.mark.timeout(300)
def test_every_experiment_is_right(vhost: VirtualHost) -> None:
    """One JSON document and nothing else, every row of it as expected, and nothing left at the broker."""
    done = demo({"RABBITMQ_URL": vhost.url}, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    document = json.loads(done.stdout)
    assert document["ok"] is True
    assert document["broker"] == vhost.url.replace("guest:guest", "guest:***")
    assert [experiment["name"] for experiment in document["experiments"]] == NAMES == list(EXPERIMENTS)
    for experiment in document["experiments"]:
        assert (experiment["ok"], experiment["skipped"], experiment["error"]) == (True, None, None)
        assert experiment["seen"] == experiment["expected"] == EXPERIMENTS[experiment["name"]].expected
        assert experiment["seconds"] > 0
        assert experiment["commands"]
        assert all(step.keys() == STEP_FIELDS for step in experiment["steps"])
    assert left_behind(vhost) == []


def test_in_a_pipe_it_prints_plain_lines(vhost: VirtualHost) -> None:
    """No escape codes; the commands to repeat it, every message with its way, and what came back."""
    done = demo({"RABBITMQ_URL": vhost.url}, "--only", "headers")
    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout
    assert "python -m app.messaging emit headers type=image priority=high scan" in done.stdout
    assert "letter  type=text, priority=low  from emit ↩ came back" in done.stdout
    assert "sketch  type=image, priority=low  from emit → ✔ any" in done.stdout
    assert "1 experiment, none wrong" in done.stdout


def test_others_on_the_broker_are_not_disturbed(vhost: VirtualHost) -> None:
    """A message that waits in the queue of that name for somebody else waits there afterwards."""
    send(vhost.url, "send", "mine")
    assert demo({"RABBITMQ_URL": vhost.url}, "--only", "hello").returncode == 0
    assert [message["payload"] for message in vhost.messages("hello")] == ['{"text":"mine"}']
    assert left_behind(vhost) == ["hello"]


def test_model_queues_in_use_are_left_alone(vhost: VirtualHost) -> None:
    """Their names are the documents' own, so the experiment is skipped, with the reason and exit code 0."""
    send(vhost.url, "ml-send")
    done = demo({"RABBITMQ_URL": vhost.url}, "--json", "--only", "models")
    (experiment,) = json.loads(done.stdout)["experiments"]
    assert (done.returncode, experiment["ok"]) == (0, True)
    assert "'queue_classification' of this broker is in use" in experiment["skipped"]
    assert len(vhost.messages("queue_classification")) == 1


@pytest.mark.parametrize("arguments", [["--only", "nothing"], ["--limit", "x"], ["--limit", "-1"], ["what"]])
def test_wrong_use_ends_with_exit_code_2(arguments: list[str]) -> None:
    """The answer says what is allowed."""
    done = demo({}, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "usage:" in done.stderr


def test_the_list_needs_no_broker() -> None:
    """What there is to see can be read anywhere, by programs too."""
    assert [line.split()[0] for line in demo({}, "--list").stdout.splitlines()] == NAMES
    (entry,) = json.loads(demo({}, "--list", "--json", "--only", "fair").stdout)
    assert entry == {"name": "fair", "summary": EXPERIMENTS["fair"].summary}


@pytest.mark.parametrize(
    ("settings", "code", "sentence"),
    [
        pytest.param({}, 1, "`make rabbitmq`", id="none"),
        pytest.param({"RABBITMQ_URL": "amqp://u:secret@127.0.0.1:1//"}, 1, "u:***@127.0.0.1:1// cannot be", id="away"),
        pytest.param({"RABBITMQ_URL": "http://u:secret@h"}, 2, "RABBITMQ_URL='http:", id="wrong"),
    ],
)
def test_without_rabbitmq_one_sentence_says_so(settings: dict[str, str], code: int, sentence: str) -> None:
    """On standard error, without a traceback and without a password."""
    done = demo(settings)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (code, "", 1)
    assert sentence in done.stderr
    assert "secret" not in done.stderr


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=["ctrl-c", "sigterm", "hang-up"])
def test_interrupted_it_leaves_nothing_behind(vhost: VirtualHost, tmp_path: Path, how: signal.Signals) -> None:
    """No role, no queue and no traceback."""
    running = LocalProcess([*DEMO, "--only", "work"], tmp_path, environment=os.environ | {"RABBITMQ_URL": vhost.url})
    running.working_directory = ROOT
    with running:
        roles = wait_until(lambda: _roles_in_the_middle(running, vhost), 60, "a worker has its messages in hand")
        running.send_signal(how)
        wait_until(lambda: not running.is_running, 20, "the demo has ended")
        wait_until(lambda: not any(role.is_running() for role in roles), 5, "its roles have ended")
        assert (running.exit_code, "Traceback" in running.log()) == (130, False)
    assert left_behind(vhost) == []


def test_a_broker_that_goes_away_is_one_sentence(tmp_path: Path) -> None:
    """In the middle of an experiment, too; its roles end with it."""
    with RabbitMQ(tmp_path / "node") as node, node.vhost() as vhost:
        running = LocalProcess([*DEMO, "--only", "work", "--limit", "8", "--json"], tmp_path / "demo")
        running.environment, running.working_directory = os.environ | {"RABBITMQ_URL": vhost.url}, ROOT
        with running:
            roles = wait_until(lambda: _roles_in_the_middle(running, vhost), 60, "a worker has its messages in hand")
            node.kill()
            wait_until(lambda: not running.is_running, 60, "the demo has ended")
            assert (running.exit_code, len(running.log().splitlines())) == (1, 1), running.log()
            assert "RabbitMQ at amqp://guest:***@127.0.0.1" in running.log()
            assert not any(role.is_running() for role in roles)


def _roles_in_the_middle(running: LocalProcess, vhost: VirtualHost) -> list[psutil.Process]:
    """The processes of the roles, once messages are in hand."""
    in_hand = any(queue.get("messages_unacknowledged") for queue in vhost.queues().values())
    return psutil.Process(running.pid).children(recursive=True) if in_hand else []
