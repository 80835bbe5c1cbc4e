"""What the web front keeps of the runs it follows and of the tasks it sends, inside its process."""

import asyncio
import signal
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from celery.signals import after_task_publish
from celery.states import READY_STATES, REVOKED, STARTED, SUCCESS

from app.celery import create_app
from app.connections import Unreachable, check_broker
from app.sending import BrokerAway
from app.settings import read_settings
from app.web import starting
from app.web.accepted import send_task
from app.web.following import LONGEST_RUN, Following
from app.web.sent import Sent
from app.web.services import Services, running_services
from app.workflows.catalogue import WORKFLOWS
from app.workflows.live import LiveRun
from app.workflows.progress import Step, plan
from tasks.arithmetic import add
from tests.services.celery import Worker
from tests.services.setup import ProjectSetup
from tests.services.valkey import Valkey
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """A Valkey server of this file's own: a worker here is to get no task of other tests."""
    with Valkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture
async def services(tmp_path: Path, results: Valkey) -> AsyncIterator[Services]:
    """The services of a web front, without a worker."""
    variables = {"DATA_DIR": str(tmp_path), "CELERY_BROKER_URL": results.url}
    with ProjectSetup.installed_app(variables) as app:
        async with running_services(app, read_settings(variables)) as running:
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


@pytest.mark.timeout(90)
async def test_a_run_that_was_called_off_while_no_worker_was_there_never_runs(
    services: Services, results: Valkey, tmp_path: Path
) -> None:
    """A worker that is started afterwards gets its tasks, and begins none of them."""
    run = await services.starter.start("group", {"size": 3}, "")
    followed = await services.following.find(run.id)
    assert followed is not None
    await services.starter.revoke(followed)
    after = await services.starter.start("delay", {}, "")
    task_ids = run.task_ids(open_only=False) + after.task_ids(open_only=False)

    def states() -> list[str]:
        return [services.celery.AsyncResult(task_id).state for task_id in task_ids]

    settings = {"DATA_DIR": str(tmp_path), "CELERY_BROKER_URL": results.url}
    worker = Worker(tmp_path / "worker", settings, pool="solo", concurrency=1)
    try:
        worker.start()
        await asyncio.to_thread(wait_until, lambda: set(states()) <= READY_STATES, 30, "every task has ended")
    finally:
        worker.kill()
    assert states() == [REVOKED] * 3 + [SUCCESS]


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


class TakenInMeanwhile(deque[dict[str, Any]]):
    """Events that are taken in just before the next one is added, as the loop may do it in its own thread."""

    def append(self, event: dict[str, Any], /) -> None:
        self.clear()
        super().append(event)


async def test_an_event_is_not_left_lying_when_those_before_it_are_taken_in_at_that_moment(services: Services) -> None:
    """It would be the last one for ever: whoever adds the next sees that one is there, and wakes nobody."""
    services.following._events = TakenInMeanwhile([{"type": "worker-heartbeat"}])
    await asyncio.to_thread(services.following._hear, {"type": "worker-heartbeat"})
    await asyncio.to_thread(wait_until, lambda: not services.following._events, 5, "the event is taken in")


async def test_what_nobody_has_foreseen_is_logged_and_the_following_goes_on(
    services: Services, caplog: pytest.LogCaptureFixture
) -> None:
    """One event that cannot be used does not end the following of all runs."""
    run = await services.starter.start("delay", {}, "")
    event = {"type": "task-started", "uuid": run.root.id, "hostname": "w@h", "timestamp": 100.0}
    services.following._hear({"uuid": run.root.id})  # without a type
    services.following._hear(event)
    async with asyncio.timeout(5):
        while run.root.state != STARTED:
            followed = await services.following.find(run.id)
            assert followed is not None
            await followed.news.wait()
    assert "could not be taken in" in caplog.text


async def test_what_may_have_been_sent_can_be_looked_for(services: Services, results: Valkey) -> None:
    """The refusal has the id and the address of the task or run, by which it can be sent again without doubling it."""
    await services.store.send(add.s(1, 1))  # from now on there is a connection, whose other end hangs
    results.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(BrokerAway) as caught:
            await send_task(services, add.s(1, 1))
    finally:
        results.send_signal(signal.SIGCONT)
    where = caught.value.where
    assert (caught.value.maybe_sent, where["url"]) == (True, f"/api/tasks/{where['id']}")


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


def test_a_folder_that_cannot_be_used_is_what_is_named() -> None:
    """The embedded broker's trouble is mended by DATA_DIR: no address of a broker was given that could be wrong."""
    with pytest.raises(Unreachable) as caught:
        check_broker(create_app(read_settings({"DATA_DIR": "/dev/null/folder"})))
    assert "DATA_DIR" in str(caught.value)
    assert "correct CELERY_BROKER_URL" not in str(caught.value)
