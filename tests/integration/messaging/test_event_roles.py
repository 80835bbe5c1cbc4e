"""Rows B5 to B8, B10, B11, B15 and B16 with every publisher and listener as a process of its own."""

import contextlib
import json
from pathlib import Path

import pytest

from tests.integration.messaging.programs import LIMIT, Role, run_role, send
from tests.services.rabbitmq import VirtualHost
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(180)  # each test starts up to a dozen programs


def written(file: Path) -> list[object]:
    """What a listener has logged."""
    return [json.loads(line)["data"] for line in file.read_text().splitlines()]


def test_fanout_reaches_screen_and_file(vhost: VirtualHost, tmp_path: Path) -> None:
    """B5: two loggers, one to the screen and one to a file, each get every message from a queue of their own."""
    file = tmp_path / "logs.jsonl"
    screen = Role(tmp_path, vhost.url, "listen", "fanout")
    to_file = Role(tmp_path, vhost.url, "listen", "fanout", "--file", str(file))
    with screen, to_file:
        queues = vhost.queues()
        assert len(queues) == 2
        assert all(queue["exclusive"] for queue in queues.values())
        send(vhost.url, "emit", "fanout", "one")
        send(vhost.url, "emit", "fanout", "two")
        expected = [{"text": "one"}, {"text": "two"}]
        assert screen.wait_for(2) == to_file.wait_for(2) == written(file) == expected
    wait_until(lambda: not vhost.queues(), LIMIT, "the temporary queues are gone")


def test_levels(vhost: VirtualHost, tmp_path: Path) -> None:
    """B6: the file gets critical only, the screen gets both levels, any other key goes nowhere and comes back."""
    file = tmp_path / "critical.jsonl"
    screen = Role(tmp_path, vhost.url, "listen", "direct", "info", "critical")
    to_file = Role(tmp_path, vhost.url, "listen", "direct", "critical", "--file", str(file))
    with screen, to_file:
        send(vhost.url, "emit", "direct", "info", "a")
        send(vhost.url, "emit", "direct", "critical", "b")
        nowhere = run_role(vhost.url, "emit", "direct", "something", "c")
        assert nowhere.returncode == 1
        assert "No queue of the exchange 'logs_level' takes the key 'something'" in nowhere.stderr
        send(vhost.url, "emit", "direct", "critical", "d")
        assert screen.wait_for(3) == [{"text": "a"}, {"text": "b"}, {"text": "d"}]
        to_file.wait_for(2)
        assert written(file) == [{"text": "b"}, {"text": "d"}]


def test_patterns(vhost: VirtualHost, tmp_path: Path) -> None:
    """B7: `*` stands for one word, `#` for any number of them."""
    bindings = {"logs.*": [], "metrics.#": [], "app.notification.sms.#": []}
    sent = ["logs.error", "logs.info", "logs.a.b", "metrics.cpu", "metrics.cpu.usage", "metrics"]
    sent += ["app.notification.sms", "app.notification.sms.ru.moscow"]
    with contextlib.ExitStack() as running:
        roles = {
            pattern: running.enter_context(Role(tmp_path, vhost.url, "listen", "topic", pattern))
            for pattern in bindings
        }
        for key in sent:
            run_role(vhost.url, "emit", "topic", key, "text")
        roles["logs.*"].wait_for(2)
        roles["metrics.#"].wait_for(3)
        roles["app.notification.sms.#"].wait_for(2)
        keys = {pattern: [step["routing_key"] for step in role.steps("handled")] for pattern, role in roles.items()}
    assert keys == {
        "logs.*": ["logs.error", "logs.info"],
        "metrics.#": ["metrics.cpu", "metrics.cpu.usage", "metrics"],
        "app.notification.sms.#": ["app.notification.sms", "app.notification.sms.ru.moscow"],
    }


def test_headers(vhost: VirtualHost, tmp_path: Path) -> None:
    """B8: a listener to both headers gets what has both; `--any` is content with one."""
    both = Role(tmp_path, vhost.url, "listen", "headers", "type=image", "priority=high")
    one = Role(tmp_path, vhost.url, "listen", "headers", "--any", "type=image", "priority=high")
    with both, one:
        send(vhost.url, "emit", "headers", "type=image", "priority=low", "low")
        send(vhost.url, "emit", "headers", "type=image", "priority=high", "high")
        assert run_role(vhost.url, "emit", "headers", "type=text", "priority=low", "no").returncode == 1
        assert both.wait_for(1) == [{"text": "high"}]
        assert one.wait_for(2) == [{"text": "low"}, {"text": "high"}]


def test_loggers_in_several_processes_get_every_event(vhost: VirtualHost, tmp_path: Path) -> None:
    """B10: whatever the class Logger sends reaches the loggers of all processes, with its level."""
    first, second = (Role(tmp_path, vhost.url, "logger") for _ in range(2))
    with first, second:
        send(vhost.url, "log", "info", '{"info": true}')
        send(vhost.url, "log", "critical", '{"critical": true}')
        for role in (first, second):
            role.wait_for(2)
            told = [(step["routing_key"], step["data"]) for step in role.steps("handled")]
            assert told == [("info", {"info": True}), ("critical", {"critical": True})]


def test_two_types_two_clients(vhost: VirtualHost, tmp_path: Path) -> None:
    """B11, B16: each client gets its type only, does with it what fits it, and writes its own log file."""
    image, text = (Role(tmp_path, vhost.url, "client", name) for name in ("image", "text"))
    with image, text:
        send(vhost.url, "generate", "--count", "6", "--interval", "0")
        assert [data["number"] for data in image.wait_for(3)] == [1, 3, 5]
        assert [data["number"] for data in text.wait_for(3)] == [2, 4, 6]
        assert {step["note"] for step in image.steps("handled")} == {"307200 pixels"}
        assert {step["note"] for step in text.steps("handled")} == {"4 words"}
        assert written(tmp_path / "image.log") == image.data()
        assert written(tmp_path / "text.log") == text.data()


def test_finished_training_reaches_three_services(vhost: VirtualHost, tmp_path: Path) -> None:
    """B15: one event, and logging, visualisation and notification each have it."""
    services = ("logging", "visualisation", "notification")
    words = ("listen", "fanout", "--exchange", "training_finished", "--name")
    event = {"model": "m1", "accuracy": 0.93}
    with contextlib.ExitStack() as running:
        roles = [running.enter_context(Role(tmp_path, vhost.url, *words, name)) for name in services]
        send(vhost.url, "emit", "fanout", "--exchange", "training_finished", json.dumps(event))
        assert [role.wait_for(1) for role in roles] == [[event]] * 3
        assert [role.steps("handled")[0]["who"] for role in roles] == list(services)


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        pytest.param(("listen", "direct"), 2, "a direct exchange is bound by keys", id="no key"),
        pytest.param(("listen", "headers", "type"), 2, "needs headers, as type=image", id="no header"),
        pytest.param(("emit", "topic", "text"), 2, "needs a key before the text", id="no key to send by"),
        pytest.param(("listen", "fanout", "--file", "/"), 1, "/ cannot be written: Is a directory.", id="no file"),
        pytest.param(("ml-work", "vision"), 2, "the model types are", id="no model type"),
        pytest.param(("rpc-call", "1"), 1, "There is no queue 'rpc_queue'", id="no server"),
        pytest.param(("receive", "--queue", ""), 2, "queue_name has 1 to 255 bytes", id="no queue"),
    ],
)
def test_wrong_use_is_a_sentence(vhost: VirtualHost, words: tuple[str, ...], code: int, sentence: str) -> None:
    """What cannot work ends with one sentence and no traceback."""
    ended = run_role(vhost.url, *words)
    assert (ended.returncode, ended.stderr.count("\n")) == (code, 1)
    assert sentence in ended.stderr
