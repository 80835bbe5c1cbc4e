"""Celery's Redis result backend, for every Redis URL: no state goes backwards, and no part of a chord is lost.

What Celery 5.7 does in several steps that a killed process or a lost connection can come between is one step here:
a result is compared and stored by one script, and the result of a chord's part is stored and counted by one.
"""

# mypy: disable-error-code="attr-defined, misc, has-type"
# The stubs of celery leave out nearly everything that this backend consists of.

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import cached_property, partial
from typing import Any

from celery.states import FAILURE, READY_STATES, STARTED, SUCCESS
from kombu.exceptions import DecodeError
from kombu.utils.encoding import bytes_to_str

from app.embedded.connections import RedisBackend
from app.results import chords
from app.results.claims import CLAIM_SECONDS, Claims
from app.results.later import Later
from app.results.listening import AT_ONCE, Listener
from app.results.own_connection import OwnConnection
from app.results.patience import UntilBack
from app.results.scripts import STORE_AND_COUNT, STORE_RESULT

_later = Later()


class ResultBackend(RedisBackend):
    """Results in Redis or Valkey.

    It waits for a store that is away for as long as that takes, in workers: a result or a chord is worth more than the
    time of the process that has it. Who reads a result waits as Celery's settings say.
    """

    ResultConsumer = Listener

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._is_patient = False
        self._result_to_store: tuple[str | bytes, ...] = ()
        self._claimed: set[Any] = set()
        self._own = OwnConnection(lambda: self._create_client(**self.connparams, retry=UntilBack()))

    @property
    def client(self) -> Any:
        """The connections to the store."""
        return self._own.client if self._is_patient else self._plain_client

    @cached_property
    def _plain_client(self) -> Any:
        return self._create_client(**self.connparams)

    def store_result(
        self,
        task_id: str,
        result: Any,
        state: str,
        traceback: str | None = None,
        request: Any = None,
        **options: Any,
    ) -> Any:
        """Store a state of a task; returns the result.

        That a task has started is stored of one that does not end at once; of one that was delivered before, which may
        have ended its worker, at once: those who settle dead letters go by it.
        """
        if state != STARTED or request is None or (request.delivery_info or {}).get("redelivered"):
            return super().store_result(task_id, result, state, traceback, request, **options)
        _later.store(task_id, partial(self._store, task_id, result, state, traceback, request))
        return result

    def _store_result(
        self,
        task_id: str,
        result: Any,
        state: str,
        traceback: str | None = None,
        request: Any = None,
        **options: Any,
    ) -> Any:
        """Store a result unless a final one is there already, which only a final one may replace.

        A task that is sent again at once may have succeeded before its first run stores that it is retried.
        """
        _later.drop(task_id)
        self._store(task_id, result, state, traceback, request)
        return result

    def _store(self, task_id: str, result: Any, state: str, traceback: str | None, request: Any) -> None:
        key, *arguments = self._arguments_to_store(task_id, result, state, traceback, request)
        self._store_script(keys=[key], args=arguments, client=self._own.client)

    def mark_as_done(
        self, task_id: str, result: Any, request: Any = None, store_result: bool = True, state: str = SUCCESS
    ) -> None:
        """Store a success; where the task is part of a chord, store and count it in one step."""
        if not _is_part(request):
            super().mark_as_done(task_id, result, request, store_result, state)
            return
        self._store_and_count(request, result, state, None, store_result and not request.ignore_result)

    def mark_as_failure(
        self,
        task_id: str,
        exc: Exception,
        traceback: str | None = None,
        request: Any = None,
        store_result: bool = True,
        call_errbacks: bool = True,
        state: str = FAILURE,
    ) -> None:
        """Store a failure, then do all that follows from it."""
        if _is_part(request):
            self._store_and_count(request, exc, state, traceback, store_result)
        # Storing and counting again changes nothing.
        super().mark_as_failure(task_id, exc, traceback, request, store_result, call_errbacks, state)

    def _store_and_count(
        self, request: Any, result: Any, state: str, traceback: str | None, store_result: bool
    ) -> None:
        if store_result:
            encoded = self.encode_result(result, state)
            _later.drop(request.id)
            self._result_to_store = self._arguments_to_store(request.id, encoded, state, traceback, request)
        try:
            self.on_chord_part_return(request, state, result)
        finally:
            self._result_to_store = ()

    def _arguments_to_store(
        self, task_id: str, result: Any, state: str, traceback: str | None, request: Any
    ) -> tuple[Any, ...]:
        """What `STORE_RESULT` needs: the key, the value, the state, seconds."""
        meta = self._get_result_meta(result=result, state=state, traceback=traceback, request=request)
        meta["task_id"] = bytes_to_str(task_id)
        expires = self.failure_expires if state == FAILURE else self.expires
        return self.get_key_for_task(task_id), self.encode(meta), state, int(expires or 0)

    def on_chord_part_return(
        self, request: Any, state: str, result: Any, propagate: bool | None = None, **options: Any
    ) -> None:
        """Count one part of a chord, and send its body when it was the last; the store may be away meanwhile."""
        with self._patience():
            super().on_chord_part_return(request, state, result, propagate, **options)
            claim = self.get_key_for_group(request.group, ".c") if request.group else None
            if claim in self._claimed:
                self._claimed.remove(claim)
                chords.forget(self, request.group)

    def apply_chord(self, header_result_args: tuple[str, Any], body: Any, **options: Any) -> None:
        """Prepare a chord whose parts are about to be sent, and remember it until it has ended.

        One without a body, which Celery allows, has nothing that could fail to come.
        """
        super().apply_chord(header_result_args, body, **options)
        if body is not None:
            chords.remember(self, *header_result_args, body)

    def ready_results(self, task_ids: Collection[str], skip_unreadable: bool = False) -> Iterator[dict[str, Any]]:
        """What is stored of those of the tasks that have ended.

        Raises DecodeError for what another application has stored in a format of its own, unless that is skipped.
        """
        ids = list(task_ids)
        for some in (ids[start : start + AT_ONCE] for start in range(0, len(ids), AT_ONCE)):
            keys = [self.get_key_for_task(task_id) for task_id in some]
            for stored in self._ensure_retryable(self.mget, keys):  # as Celery reads a single one
                if stored is None:
                    continue
                try:
                    meta = self.decode_result(stored)
                except DecodeError:
                    if not skip_unreadable:
                        raise
                    continue
                if meta["status"] in READY_STATES:
                    yield meta

    def remove_pending_result(self, result: Any) -> Any:
        """Wait no more for a result; nothing for one that is not waited for, as each says when it is no longer used."""
        if any(result.id in waited_for for waited_for in self._pending_results):
            super().remove_pending_result(result)
        return result

    def on_task_call(self, producer: Any, task_id: str) -> None:
        """Nothing: who waits for the result listens for it then. To send does not need the store to be there."""

    @contextmanager
    def _patience(self) -> Iterator[None]:
        before, self._is_patient = self._is_patient, True
        try:
            yield
        finally:
            self._is_patient = before

    @cached_property
    def _store_script(self) -> Any:
        return self.client.register_script(STORE_RESULT)

    @cached_property
    def _chord_part_return_script(self) -> Any:
        """Celery counts a part by calling this with its keys and arguments; a result that waits is stored with it."""
        script = self.client.register_script(STORE_AND_COUNT)

        def store_and_count(keys: list[Any], args: list[Any], client: Any) -> Any:
            key, *stored = self._result_to_store or (keys[0], "", "", 0)
            self._result_to_store = ()
            answer = script(keys=[key, *keys], args=[*stored, *args], client=client)
            if answer[3]:
                self._claimed.add(keys[5])
            return answer

        return store_and_count

    @cached_property
    def _claims(self) -> Claims:
        return Claims(super()._chord_claim_extend_script, super()._chord_cleanup_script)

    @property
    def _chord_claim_extend_script(self) -> Any:
        def extend(keys: list[Any], **call: Any) -> Any:
            held = self._claims.extend(keys=keys, **call)
            if not held:
                self._claimed.discard(keys[0])
            return held

        return extend

    @property
    def _chord_cleanup_script(self) -> Any:
        return self._claims.clean_up

    def _chord_publish_claim_expires(self, initial_expires: int, callback: Any) -> int:
        """Seconds for which the body of a chord may be sent before somebody else may; they are renewed meanwhile."""
        return CLAIM_SECONDS


def _is_part(request: Any) -> bool:
    return bool(request and request.chord and request.group and request.id)
