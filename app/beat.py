"""Beat's schedulers, named in app/celery.py: one in the result store, for any number of beats, and one in a file."""

import os
import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from celery import Celery
from celery.beat import PersistentScheduler, SchedulingError
from celery.utils.log import get_logger
from kombu.exceptions import OperationalError
from redbeat.schedulers import RedBeatScheduler, get_redis
from redis import RedisError
from redis.exceptions import LockError

from app.connections import Unreachable, broker_connection, result_store

PREFIX = "weatherbeat:beat:"
"""What the keys of the schedule begin with in the result store."""
LOOP_SECONDS = 30.0
"""After so long a beat looks at the schedule, whatever it waits for."""
RETRY_SECONDS = 5.0
STEP_SECONDS = 10.0
"""How long one step of sending may take: to connect, to declare a queue, to have the message confirmed."""
SENDING_SECONDS = 120
"""For how long a slot is left to the beat that has begun to send it: longer than all steps together."""

logger = get_logger(__name__)


class SharedScheduler(RedBeatScheduler):  # type: ignore[misc]  # redbeat has no types
    """redbeat's schedule in the result store, from which any number of beats send, each slot once.

    redbeat has one beat hold a lock for as long as it runs; another one then waits inside its own start, where it
    answers no ping, and the first one ends when the lock has expired while it waited for the broker. Here all beats
    work, and what is locked is one slot while it is sent: when a beat is killed, the others go on without a pause, and
    take over after `SENDING_SECONDS` what it was just sending. A slot has been sent when the broker has confirmed it:
    while the broker is away it stays due, and is sent late, once.
    """

    max_interval = LOOP_SECONDS

    def __init__(self, app: Celery, **options: Any) -> None:
        self._is_set_up = False
        self._sent: dict[str, datetime] = {}
        """The last slot that was sent of each entry, by when it had run before: the store may not know it yet."""
        url = app.backend.as_uri(include_password=False)
        app.conf.update(
            redbeat_redis_url=url, redbeat_redis_options={}, redbeat_key_prefix=PREFIX, redbeat_lock_key=None
        )
        app.redbeat_redis = result_store(app, STEP_SECONDS, decode_responses=True)  # type: ignore[attr-defined]
        super().__init__(app, **options)

    def setup_schedule(self) -> None:
        """Leave it to the first tick: the store may be away, which ends no beat."""

    def tick(self, *_: Any, **__: Any) -> float:
        """Send what is due; returns seconds until something may be due again."""
        try:
            self._ensure_set_up()
            waits = [self.maybe_due(entry) for entry in self.schedule.values()]
        except (RedisError, OSError) as error:
            logger.error("The schedule cannot be read (%s); trying again in %g s.", error, RETRY_SECONDS)  # noqa: TRY400
            return RETRY_SECONDS
        return min([wait for wait in waits if wait is not None], default=LOOP_SECONDS)

    def _ensure_set_up(self) -> None:
        # A store that was emptied, or that came back without its data, has no schedule any more.
        if not self._is_set_up or not get_redis(self.app).exists(self.app.redbeat_conf.schedule_key):
            super().setup_schedule()
            self._is_set_up = True

    def maybe_due(self, entry: Any, **_: Any) -> float | None:
        """Send an entry if it is due and no other beat is sending it; returns seconds until to look again."""
        is_due, wait = entry.is_due()
        if not is_due:
            return min(float(wait), LOOP_SECONDS)
        lock = get_redis(self.app).lock(f"{PREFIX}sending:{entry.name}", timeout=SENDING_SECONDS)
        if not lock.acquire(blocking=False):
            return RETRY_SECONDS
        try:
            return self._send_once(entry.key)
        except KeyError:  # removed from the schedule meanwhile
            return None
        finally:
            with suppress(LockError):  # it took too long: the slot may be another beat's by now, which harms neither
                lock.release()

    def _send_once(self, key: str) -> float:
        """Send an entry that only this beat may send, unless another one has just done so."""
        entry = self.Entry.from_key(key, app=self.app)
        is_due, wait = entry.is_due()
        if is_due:
            if entry.name not in self._sent or self._sent[entry.name] != entry.last_run_at:
                try:
                    self._send(entry)
                except (SchedulingError, Unreachable) as error:
                    logger.error("%s is not sent yet (%s); trying again in %g s.", entry.name, error, RETRY_SECONDS)  # noqa: TRY400
                    return RETRY_SECONDS
                self._sent[entry.name] = entry.last_run_at
            next(entry)
        return min(float(wait), LOOP_SECONDS)

    def _send(self, entry: Any) -> None:
        logger.info("Sending due task %s (%s)", entry.name, entry.task)
        # The loop tries again, so that no step need wait long; a connection of its own has no past.
        entry.options = {**entry.options, "retry": False, "confirm_timeout": STEP_SECONDS}
        with broker_connection(self.app, STEP_SECONDS) as connection:
            producer = self.Producer(connection, auto_declare=False)
            result = self.apply_async(entry, producer=producer, advance=False)
        if not result.ignored:
            self.app.backend.remove_pending_result(result)  # nobody here waits for it

    @property
    def info(self) -> str:
        """What beat says of it when it starts."""
        return f"    . schedule -> {self.app.conf.redbeat_redis_url}"


class Scheduler(PersistentScheduler):
    """Celery's own scheduler, for one beat; its folder need not exist yet, and it waits for a broker that is away.

    Raises SystemExit, with the sentence to show, when the folder cannot be written.
    """

    schedule_filename: str  # Celery's stubs leave it out

    def setup_schedule(self) -> None:
        """Open the schedule, in its folder."""
        folder = Path(self.schedule_filename).parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SystemExit(f"Beat cannot make the folder of its schedule: {error}; correct DATA_DIR.") from None
        if not os.access(folder, os.W_OK | os.X_OK):
            raise SystemExit(f"Beat cannot write its schedule into {folder}; correct DATA_DIR or its owner.")
        super().setup_schedule()

    def apply_async(self, entry: Any, *arguments: Any, **options: Any) -> Any:
        """Send an entry, however long the broker is away: all others would have to wait for it, too."""
        while True:
            try:
                return super().apply_async(entry, *arguments, **options)
            except SchedulingError as error:
                if not isinstance(error.__context__, OperationalError | OSError):
                    raise
                logger.error("%s is not sent yet (%s); trying again in %g s.", entry.name, error, RETRY_SECONDS)  # noqa: TRY400
                time.sleep(RETRY_SECONDS)
