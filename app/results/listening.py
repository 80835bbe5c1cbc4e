"""Listening for results in Redis."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from math import inf
from time import monotonic
from typing import Any

from celery.backends.redis import ResultConsumer  # type: ignore[attr-defined]  # the stubs omit it
from celery.exceptions import TimeoutError as ResultTimeoutError
from celery.states import READY_STATES

AT_ONCE = 1000
"""How many results one command is about."""
LOOKING_INTERVAL = 10.0
"""Seconds after which who still waits looks into the store: a connection can be dead without an end that says so."""


class Listener(ResultConsumer):  # type: ignore[misc]  # as above
    """Celery's listener, which listens for what somebody waits for, from then on.

    Celery's own listens for each part of a group and of a chord as it is sent: a command and an answer for each, though
    hardly anybody waits for them, and a sender that must wait for the result store. And it sleeps for 0 seconds after
    each result and each event, which lets greenlets run; to a thread on Linux that is 0.07 ms, twice for one result.
    """

    on_message: Any

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._waited_for: set[str] = set()
        self._sent: set[str] = set()
        self._look_again_at = inf  # who begins to listen looks by itself

    def consume_from(self, task_id: str) -> None:
        """Listen for the result of a task when somebody waits, for that of a part of a group when it is its group."""
        strongly, _weakly = self._pending_results
        (self._waited_for if task_id in strongly else self._sent).add(task_id)

    def cancel_for(self, task_id: str) -> None:
        """Listen no more for the result of a task."""
        self._waited_for.discard(task_id)
        self._sent.discard(task_id)
        if self.subscribed_to and self._get_key_for_task(task_id) in self.subscribed_to:
            super().cancel_for(task_id)

    def expect(self, result: Any) -> None:
        """Listen for the result of a task, or of each task of a group, when somebody waits for anything."""
        tasks = self._sent.intersection(tasks_of(result))
        self._waited_for |= tasks
        self._sent -= tasks

    def on_wait_for_pending(self, result: Any, **options: Any) -> None:
        """Listen, then look what is there already."""
        self.expect(result)
        self._listen(read_by_caller={each.id for each in getattr(result, "results", (result,))})
        super().on_wait_for_pending(result, **options)

    def drain_events(self, timeout: float | None = None) -> None:
        """Take in what has come, or wait for it up to `timeout` seconds."""
        if monotonic() > self._look_again_at:
            self._look_again()
        self._listen(read_by_caller=set())
        super().drain_events(timeout)

    def on_state_change(self, meta: dict[str, Any], message: Any) -> None:
        """Give the state of a task to all that wait for it; who comes later reads it in the store."""
        if self.on_message:
            self.on_message(meta)
        if meta["status"] not in READY_STATES:
            return
        for result in self._waiting_for(meta["task_id"]):
            result._maybe_set_cache(meta)
            if (bucket := self.buckets.pop(result, None)) is not None:
                bucket.append(result)
        self.cancel_for(meta["task_id"])

    def _waiting_for(self, task_id: str) -> list[Any]:
        # Lists made at once, because other threads add and the garbage collector removes meanwhile.
        strongly, weakly = (by_task.get(task_id) for by_task in self._pending_results)
        collectable = [reference() for reference in weakly.valuerefs()] if weakly else []
        return [*(strongly or {}).values(), *(result for result in collectable if result is not None)]

    def _wait_for_pending(
        self, result: Any, timeout: float | None = None, on_interval: Any = None, on_message: Any = None, **options: Any
    ) -> Iterator[None]:
        """Take in what comes until a result is there; who waits is called before, and after each event.

        Raises Celery's TimeoutError when it is not there after `timeout` seconds.
        """
        self.on_wait_for_pending(result, timeout=timeout, **options)
        before, self.on_message = self.on_message, on_message
        events = self.drain_events_until(result.on_ready, timeout)
        try:
            while True:
                if on_interval:  # it raises the error of an earlier task, which may be a TimeoutError, too
                    on_interval()
                try:
                    next(events)
                except StopIteration:
                    return
                except TimeoutError as error:
                    raise ResultTimeoutError("The operation timed out.") from error
                yield
        finally:
            self.on_message = before

    def _listen(self, read_by_caller: set[str]) -> None:
        """Begin to listen, then take in what was stored before."""
        while some := self._begin_to_listen():
            try:
                stored = self.backend.ready_results(some - read_by_caller, skip_unreadable=True)
                ended = {meta["task_id"]: meta for meta in stored}
                some = set(ended)
                while some:
                    self.on_state_change(ended[some.pop()], None)
            finally:
                self._waited_for |= some  # what an error comes between is tried again the next time

    def _begin_to_listen(self) -> set[str]:
        """Listen for some of the tasks that are waited for, and say for which."""
        with self._locked():
            if self._pubsub is None:  # the connection was lost for good, and what came meanwhile with it
                self._look_again()
            # A copy, because the garbage collector may call cancel_for() anywhere.
            some = set(islice(self._waited_for.copy(), AT_ONCE))
            if not some:
                return some
            self._waited_for -= some  # who asks for one of them from now on has a wish of its own
            try:
                self._subscribe({self._get_key_for_task(task_id) for task_id in some})
            except BaseException:
                self._waited_for |= some
                raise
            for task_id in some:
                if not self._waiting_for(task_id):  # collected meanwhile
                    self.cancel_for(task_id)
            return some

    def _subscribe(self, keys: set[Any]) -> None:
        self._pending_unsubscribe -= keys
        if self._pubsub is None:  # type: ignore[has-type]  # as above
            self._pubsub = self.backend.client.pubsub(ignore_subscribe_messages=True)
            keys = keys | self.subscribed_to  # of one that could not connect again
        else:
            keys = keys - self.subscribed_to
        self.subscribed_to |= keys
        if keys:
            with self._anew_after_an_error(), self.reconnect_on_error():
                self._pubsub.subscribe(*keys)

    def _look_again(self) -> None:
        """Have what is listened for looked at by who listens next."""
        with self._locked():
            self._waited_for |= {self.backend._strip_prefix(key) for key in self.subscribed_to}
            self._look_again_at = monotonic() + LOOKING_INTERVAL

    def _reconnect(self) -> None:
        with self._anew_after_an_error():
            super()._reconnect()

    def _reconnect_pubsub(self) -> None:
        super()._reconnect_pubsub()
        self._look_again()  # Celery looks before it listens: what is stored in between would be told to nobody

    @contextmanager
    def _anew_after_an_error(self) -> Iterator[None]:
        """What is interrupted may have sent half a command: who listens next connects, and listens for everything."""
        try:
            yield
        except BaseException:
            self._pubsub = None
            raise


def tasks_of(result: Any) -> Iterator[str]:
    """The id of a task's result, or those of all tasks of a group's, also of groups in it."""
    parts = getattr(result, "results", None)
    if parts is None:
        yield result.id
    else:
        for part in parts:
            yield from tasks_of(part)
