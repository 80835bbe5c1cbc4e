"""What the web front keeps of the runs it follows and of the tasks it sends, inside its process."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from celery.signals import after_task_publish

from app.celery import create_app
from app.settings import read_settings
from app.web import starting
from app.web.following import LONGEST_RUN, Following
from app.web.sent import Sent
from app.web.services import Services, running_services
from app.workflows.catalogue import WORKFLOWS
from app.workflows.live import LiveRun
from app.workflows.progress import Step, plan
from tests.services.valkey import Valkey


@pytest.fixture
async def services(tmp_path: Path, valkey: Valkey) -> AsyncIterator[Services]:
    """The services of a web front, without a worker."""
    settings = read_settings({"DATA_DIR": str(tmp_path), "CELERY_BROKER_URL": valkey.url})
    async with running_services(create_app(settings), settings) as running:
        yield running


async def test_what_was_called_here_leaves_no_task_behind(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """A workflow that no worker runs has no task, neither while it is followed nor later."""
    ids = []

    def noting_plan(*args: object, **options: object) -> Step:
        root = plan(*args, **options)  # type: ignore[arg-type]  # handed on as they are
        ids.append(str(root.id))
        return root

    monkeypatch.setattr(starting, "plan", noting_plan)
    run = await services.starter.start("call", {}, "")
    assert (run.state, len(ids)) == ("succeeded", 1)
    assert services.following.step(ids[0]) is None


async def test_a_kept_run_that_is_too_old_is_shown_all_the_same(services: Services) -> None:
    """It is not followed any more, which is no reason to fail."""
    old = LiveRun("delay", plan(WORKFLOWS["delay"].build()), 2)
    old.started = time.time() - LONGEST_RUN - 60
    await services.store.ask(lambda records: records.save(old.document()))
    original = Following._take_in_results

    async def forgetful(following: Following, due: list[object]) -> None:
        following._forget(time.monotonic())
        await original(following, due)  # type: ignore[arg-type]  # handed on as they are

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Following, "_take_in_results", forgetful)
        found = await services.following.find(old.id)
    assert found is not None
    assert found.run.id == old.id


def test_the_canaries_of_the_health_check_are_nobodys_tasks() -> None:
    """One every five seconds would fill the place of those that were sent for a request."""
    sent = Sent()
    sent.start()
    try:
        for name, task_id in (("tasks.maintenance.canary", "canary-id"), ("tasks.arithmetic.add", "task-id")):
            after_task_publish.send(sender=name, headers={"id": task_id, "task": name})
    finally:
        sent.stop()
    assert (sent.knows("canary-id"), sent.knows("task-id")) == (False, True)
    assert sent.take_new() == ["task-id"]
