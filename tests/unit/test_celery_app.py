"""The Celery application as it is configured, before anything connects."""

import ast
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from celery import Celery
from celery.app.defaults import SETTING_KEYS

from app.celery import TASK_MODULES, configuration, create_app
from app.settings import SettingsError, read_settings
from beat_schedule import BEAT_SCHEDULE, COLLECT_MINUTES

PROJECT = Path(__file__).parents[2]
BROKERS = {
    "embedded": {},
    "rabbitmq": {"CELERY_BROKER_URL": "amqp://host//", "CELERY_RESULT_BACKEND": "redis://host/0"},
    "rabbitmq-rpc": {"CELERY_BROKER_URL": "amqp://host//"},
}


def python(code: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=PROJECT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize("environment", BROKERS.values(), ids=BROKERS)
def test_only_json_is_sent_and_taken(environment: dict[str, str]) -> None:
    """Unpickling a message runs whatever its sender wrote into it."""
    conf = create_app(read_settings(environment)).conf
    assert {conf.task_serializer, conf.result_serializer, conf.event_serializer} == {"json"}
    assert (conf.accept_content, conf.result_accept_content) == (["json"], ["json"])


@pytest.mark.parametrize("environment", BROKERS.values(), ids=BROKERS)
def test_every_setting_is_one_that_celery_has(environment: dict[str, str]) -> None:
    """Celery takes a misspelled setting without a word."""
    assert configuration(read_settings(environment)).keys() <= SETTING_KEYS


def test_a_misspelled_setting_stops_the_start_with_a_sentence() -> None:
    """Ours, if a later change brings one in."""
    done = python("import app.celery as c; c.COMMON['task_ack_late'] = True; c.create_app(c.get_settings())")
    assert done.returncode == 1
    assert "SettingsError: Celery has no setting named task_ack_late" in done.stderr


def test_with_rabbitmq_tasks_wait_in_a_quorum_queue_behind_a_topic_exchange() -> None:
    """The queue survives the loss of a machine; the exchange lets the broker, not a worker, hold a delayed task."""
    conf = create_app(read_settings(BROKERS["rabbitmq"])).conf
    (queue,) = conf.task_queues
    assert (queue.queue_arguments["x-queue-type"], queue.exchange.type) == ("quorum", "topic")
    assert conf.broker_transport_options["confirm_publish"] is True


def test_the_time_is_that_of_celery_in_the_time_zone_of_the_application() -> None:
    """What is sent with an expiry and what says when a task ended have the zone that is configured."""
    app = create_app(read_settings({}))
    app.conf.timezone = "Asia/Kathmandu"
    before, now, after = Celery.now(app), app.now(), Celery.now(app)
    assert before <= now <= after
    assert (now.tzinfo, now.utcoffset()) == (before.tzinfo, timedelta(hours=5, minutes=45))


def test_importing_the_application_is_light_and_starts_nothing(tmp_path: Path) -> None:
    """No numpy, no drawing, no web framework; no folder is made and no server started."""
    heavy = {"numpy", "matplotlib", "pyarrow", "fastapi", "rich", "aio_pika"}
    code = f"import sys, app.celery; app.celery.app.loader.import_default_modules(); print({heavy} & set(sys.modules))"
    done = python(code, DATA_DIR=str(tmp_path / "data"))
    assert done.stdout == "set()\n"
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("program", ["worker", "beat", "inspect ping", "flower"])
def test_a_wrong_value_stops_every_program_with_one_sentence(program: str) -> None:
    """Celery's command line would show a traceback."""
    done = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "app", *program.split()],
        cwd=PROJECT,
        env=os.environ | {"WEATHER_PLACES": "Moscow"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("WEATHER_PLACES='Moscow' cannot be used: ")
    assert done.stderr.count("\n") == 1


def test_beat_sends_what_exists() -> None:
    """Tasks stand in the schedule by name only."""
    app = create_app(read_settings({}))
    app.loader.import_default_modules()
    assert {entry["task"] for entry in BEAT_SCHEDULE.values()} <= app.tasks.keys()
    assert all(module in sys.modules for module in TASK_MODULES)


def test_only_rabbitmq_has_dead_letters_to_settle() -> None:
    """On any other broker, beat would send a task for nothing every ten seconds."""
    over_amqp = configuration(read_settings({"CELERY_BROKER_URL": "amqp://localhost//"}))
    assert over_amqp["beat_schedule"].keys() - configuration(read_settings({}))["beat_schedule"].keys() == {
        "settle-dead-letters"
    }


def test_the_weather_is_collected_every_twenty_minutes_off_the_hour() -> None:
    """Three times an hour, and not when everybody else asks."""
    schedule = BEAT_SCHEDULE["collect-weather"]["schedule"]
    assert sorted(schedule.minute) == list(COLLECT_MINUTES) == [1, 21, 41]
    assert len(schedule.hour) == 24


def test_settings_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """One cached accessor serves the whole process."""
    from app.settings import get_settings

    first = get_settings()
    monkeypatch.setenv("WEATHER_PLACES", "nonsense")
    assert get_settings() is first
    with pytest.raises(SettingsError):
        read_settings(os.environ)


def test_the_schedule_imports_nothing_of_ours() -> None:
    """It stands below everything else; import-linter does not check a single module."""
    tree = ast.parse((PROJECT / "beat_schedule.py").read_text())
    imported = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    imported += [name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names]
    assert imported
    assert not {module.partition(".")[0] for module in imported} & {"app", "tasks", "tests", "bench"}
