"""All runs of workflows that this process follows, fed by Celery's events; the result store fills what those missed.

One thread listens for all of them, one question to the store serves them all, and whoever watches one waits for news
of it: a stream costs no thread.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

from celery import Celery

from app.web.liveness import Liveness
from app.web.sent import Sent
from app.web.store import Store, StoreAway
from app.workflows.listener import Listener
from app.workflows.live import LiveRun
from app.workflows.progress import Step
from app.workflows.records import Metas, Records

logger = logging.getLogger(__name__)

BATCH_SECONDS = 0.05
"""News of a run is told at most so often."""
SHORTEST_SILENCE = 0.2
LONGEST_SILENCE = 5.0
"""The store is asked after the first, then less and less often, up to the second, while nothing comes."""
IDLE_SECONDS = 0.5
SAVE_SECONDS = 2.0
"""A run that changes is kept at most so often."""
KEEP_SECONDS = 60.0
"""For how long an ended run that nobody watches stays in memory."""
LONGEST_RUN = 24 * 3600.0
"""Seconds after which a run that has not ended is not followed any more: its results expire."""


class Followed:
    """A run, and those who wait for news of it."""

    def __init__(self, run: LiveRun) -> None:
        self.run = run
        self.news = asyncio.Event()
        self.watchers = 0
        self.told = self.saved = run.version
        self.batches: dict[int, tuple[bytes, int]] = {}
        """What streams have been told since the last news, by the version they had."""
        self.whole: tuple[tuple[str, int], bytes] | None = None
        """The whole run as it was told last, with the kind of event and the version."""
        self.saved_at = time.monotonic()
        self.silence = SHORTEST_SILENCE
        self.ask_at = time.monotonic() + self.silence

    def tell(self) -> None:
        """Wake all who wait for news."""
        self.told = self.run.version
        self.batches.clear()
        news, self.news = self.news, asyncio.Event()
        news.set()

    def is_due(self, now: float) -> bool:
        """Whether the store is to be asked about it."""
        return not self.run.over and now >= self.ask_at

    def asked(self, now: float, *, in_vain: bool) -> None:
        """Note that the store was asked, and ask later than before when that brought nothing."""
        self.silence = min(2 * self.silence, LONGEST_SILENCE) if in_vain else SHORTEST_SILENCE
        self.ask_at = now + self.silence

    def is_done_with(self, now: float) -> bool:
        """Whether it need not be in memory any more."""
        if self.watchers:
            return False
        return now - self.run.heard > KEEP_SECONDS if self.run.over else time.time() - self.run.started > LONGEST_RUN


class Following:
    """The runs that are followed, by id."""

    def __init__(self, app: Celery, store: Store, liveness: Liveness, sent: Sent) -> None:
        self._store = store
        self._sent = sent
        self._liveness = liveness
        self._followed: dict[str, Followed] = {}
        self._by_task: dict[str, Followed] = {}
        self._events: deque[dict[str, Any]] = deque(maxlen=100_000)
        self._arrived = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._listener = Listener(app, self._hear)
        self._tasks: list[asyncio.Task[None]] = []
        self.closing = False

    async def start(self) -> None:
        """Begin to follow."""
        self._loop = asyncio.get_running_loop()
        self._liveness.changed = self._tell_all
        self._listener.start()
        work = (self._apply_events(), self._ask_for_results(), self._liveness.watch())
        self._tasks = [asyncio.create_task(part) for part in work]

    async def stop(self) -> None:
        """End, with every stream."""
        self.close_streams()
        self._listener.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def close_streams(self) -> None:
        """Have every stream end; who watches will come back, to whoever serves then."""
        self.closing = True
        self._tell_all()

    def follow(self, run: LiveRun) -> Followed:
        """Follow a run from now on."""
        if run.id in self._followed:  # broken off, and started anew
            self._drop(self._followed[run.id])
        followed = self._followed[run.id] = Followed(run)
        self._by_task |= dict.fromkeys(run.task_ids(open_only=False), followed)
        return followed

    async def find(self, run_id: str) -> Followed | None:
        """The run of that id, followed from now on if it was not; None when there is none.

        Raises StoreAway when that cannot be told.
        """
        if run_id in self._followed:
            return self._followed[run_id]
        document = await self._store.ask(lambda records: records.load(run_id))
        if document is None:
            return None
        if run_id in self._followed:  # somebody else was quicker
            return self._followed[run_id]
        followed = self.follow(LiveRun.restored(document))
        await self._take_in_results([followed])  # meanwhile it may be forgotten again, when it is old
        return followed

    @property
    def trouble(self) -> str:
        """What keeps runs from moving, in a sentence; empty when nothing does."""
        return self._liveness.trouble

    def step(self, task_id: str) -> Step | None:
        """The step of a followed run that is this task."""
        followed = self._by_task.get(task_id)
        return followed.run.step(task_id) if followed else None

    def runs(self) -> list[LiveRun]:
        """The runs that are followed."""
        return [each.run for each in self._followed.values()]

    async def save(self, followed: Followed) -> None:
        """Keep a run as it is now."""
        document = followed.run.document()
        followed.saved_at = time.monotonic()
        await self._store.ask(lambda records: records.save(document))
        followed.saved = document["version"]

    def _hear(self, event: dict[str, Any]) -> None:
        """Take in an event, in the listener's thread."""
        self._events.append(event)
        # Looked at before, the others might be taken in between, and this one would wake nobody.
        is_alone = len(self._events) == 1
        if is_alone and self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._arrived.set)

    async def _apply_events(self) -> None:
        while not self.closing:
            await self._arrived.wait()
            self._arrived.clear()
            while self._events:
                with _logged("An event could not be taken in."):
                    self._apply(self._events.popleft())
            self._tell_news()
            await asyncio.sleep(BATCH_SECONDS)

    def _apply(self, event: dict[str, Any]) -> None:
        self._liveness.hear(event)
        if followed := self._by_task.get(event.get("failed") or event.get("uuid") or ""):
            followed.run.apply(event)
            followed.asked(time.monotonic(), in_vain=False)

    async def _ask_for_results(self) -> None:
        while not self.closing:  # before Python 3.12, wait_for may swallow that a task is cancelled
            with suppress(StoreAway), _logged("The results could not be taken in."):
                await self._look_at_results(time.monotonic())
            self._tell_news()
            is_active = any(not each.run.over for each in self._followed.values())
            await asyncio.sleep(SHORTEST_SILENCE / 2 if is_active else IDLE_SECONDS)

    async def _look_at_results(self, now: float) -> None:
        """Raises StoreAway, of which the liveness tells whoever watches."""
        self._forget(now)
        await self._take_in_results([each for each in self._followed.values() if each.is_due(now)])
        await self._save_changed(now)
        if task_ids := self._sent.take_new():
            await self._store.ask(partial(_remember, task_ids))
        if self._liveness.has_trouble("results"):
            await self._store.ask(lambda records: records.remembers(""))

    async def _take_in_results(self, due: list[Followed]) -> None:
        """Ask one question about all of these runs; those that have ended are asked for all values once more."""
        ending = [each for each in self._followed.values() if not each.run.over and each.run.finished]
        task_ids = [task_id for each in due if each not in ending for task_id in each.run.task_ids(open_only=True)]
        # Events show values as text, cut short when they are long; the result store has them whole.
        task_ids += [task_id for each in ending for task_id in each.run.task_ids(open_only=False)]
        if not task_ids:
            return
        metas = await self._store.ask(lambda records: records.metas(task_ids))
        self._record(metas)
        for each in due:
            each.asked(time.monotonic(), in_vain=each.run.version == each.told)
        for each in ending:
            each.run.end()
            await self.save(each)

    def _record(self, metas: Metas) -> None:
        for task_id, meta in metas.items():
            if followed := self._by_task.get(task_id):
                followed.run.record(task_id, meta)

    async def _save_changed(self, now: float) -> None:
        for each in list(self._followed.values()):
            if each.saved != each.run.version and (each.run.over or now - each.saved_at > SAVE_SECONDS):
                await self.save(each)

    def _forget(self, now: float) -> None:
        for each in [each for each in self._followed.values() if each.is_done_with(now)]:
            self._drop(each)

    def _drop(self, followed: Followed) -> None:
        del self._followed[followed.run.id]
        for task_id in followed.run.task_ids(open_only=False):
            self._by_task.pop(task_id, None)

    def _tell_news(self) -> None:
        for each in self._followed.values():
            if each.told != each.run.version:
                each.tell()

    def _tell_all(self) -> None:
        for each in self._followed.values():
            each.tell()


@contextmanager
def _logged(sentence: str) -> Iterator[None]:
    """Log what nobody has foreseen, and go on: one run that is odd is not to end the following of all."""
    try:
        yield
    except StoreAway:
        raise
    except Exception:
        logger.exception(sentence)


def _remember(task_ids: list[str], records: Records) -> None:
    records.remember(task_ids)
