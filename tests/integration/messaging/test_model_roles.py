"""Row B14, and calls, with every role as a process of its own."""

import json
from pathlib import Path

import pytest

from tests.integration.messaging.programs import Role, run_role, send
from tests.services.rabbitmq import VirtualHost

pytestmark = pytest.mark.timeout(180)  # each test starts up to a dozen programs


# The tasks of the notebook about exchanges, as they stand there.
NOTEBOOK = [
    {
        "task_id": "12345",
        "model_type": "classification",
        "data": {"classification": 0.99},
        "parameters": {"random_state": 4, "cl_lr": 5},
    },
    {
        "task_id": "12346",
        "model_type": "regression",
        "data": {"regression": 0.01},
        "parameters": {"random_state": 8, "cl_lr": 555},
    },
    {
        "task_id": "12346",
        "model_type": "clustering",
        "data": {"clustering": 0.01},
        "parameters": {"random_state": 8, "cl_lr": 555},
    },
]


def test_tasks_reach_their_queue_only(vhost: VirtualHost, tmp_path: Path) -> None:
    """B14: the notebook's tasks wait in the queue of their type, and a worker of one type leaves the others alone."""
    file = tmp_path / "tasks.json"
    file.write_text(json.dumps(NOTEBOOK))
    send(vhost.url, "ml-send", str(file))
    counts = {name: len(vhost.messages(name)) for name in vhost.queues()}
    assert counts == {"queue_classification": 1, "queue_regression": 1, "queue_clustering": 1}
    with Role(tmp_path, vhost.url, "ml-work", "regression") as regression:
        assert regression.wait_for(1) == [{"regression": 0.01}]
    assert len(vhost.messages("queue_classification")) == len(vhost.messages("queue_clustering")) == 1
    with Role(tmp_path, vhost.url, "ml-work") as every:
        every.wait_for(2)
        notes = {step["routing_key"]: step["note"] for step in every.steps("handled")}
    assert notes["classification"].startswith("{'classes': ['high']")
    assert notes["clustering"] == "{'clusters': [0], 'centres': [0.01]}"


def test_unknown_model_type_comes_back(vhost: VirtualHost, tmp_path: Path) -> None:
    """B14: the sender of an unknown model type gets an error; the tasks around it are sent."""
    file = tmp_path / "tasks.json"
    file.write_text(json.dumps([NOTEBOOK[0] | {"model_type": "vision"}, NOTEBOOK[1]]))
    ended = run_role(vhost.url, "ml-send", str(file))
    assert ended.returncode == 1
    assert "No queue of the exchange 'ml_tasks_exchange' takes the key 'vision'" in ended.stderr
    assert len(vhost.messages("queue_regression")) == 1


def test_call_is_answered_by_another_process(vhost: VirtualHost, tmp_path: Path) -> None:
    """A call goes to a server in another process and comes back with the answer, or with the server's error."""
    with Role(tmp_path, vhost.url, "rpc-serve"):
        answered = run_role(vhost.url, "rpc-call", "30", "--json")
        assert json.loads(answered.stdout.splitlines()[-1])["data"] == 832040
        failed = run_role(vhost.url, "rpc-call", "--", "-1")
        assert (failed.returncode, failed.stderr) == (1, "ValueError: give a whole number from 0 to 10000\n")
