"""A role of the demo that is told to end in the moment in which it ends by itself."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from app.experiments.player import Player, RoleFailed

NOBODY = "amqp://guest:guest@127.0.0.1:9//"


@pytest_asyncio.fixture
async def ends_seen_by_the_loop() -> AsyncIterator[None]:
    """Asyncio learns of the end of a process in its loop, which the test can hold up, and not in a thread."""
    if sys.version_info >= (3, 12):  # where it always does
        yield
        return
    before, watcher = asyncio.get_child_watcher(), asyncio.PidfdChildWatcher()
    watcher.attach_loop(asyncio.get_running_loop())
    asyncio.set_child_watcher(watcher)
    try:
        yield
    finally:
        asyncio.set_child_watcher(before)


@pytest.mark.usefixtures("ends_seen_by_the_loop")
async def test_a_role_that_has_just_ended_keeps_its_exit_code(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A signal to it must not take its exit code away from asyncio, which would say 255 for all."""
    player = await Player.start("sender", ["send", "hello"], tmp_path, NOBODY, lambda _: None, lambda: None)
    os.waitid(os.P_PID, player.pid, os.WEXITED | os.WNOWAIT)  # noqa: ASYNC222 - the loop is to be held up
    assert player.exit_code is None
    with pytest.raises(RoleFailed, match="RabbitMQ"):
        await player.stop()
    assert (player.exit_code, caplog.messages) == (1, [])
