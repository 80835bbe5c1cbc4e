"""What the tasks of a scene have done, in a store that no fault touches: every run, and every effect."""

import os

import redis

from app.idempotency import once

OURS = "ours"
STOCK = "stock"


class Ledger:
    """The ledger of one scene; `url` leads to a Redis or Valkey."""

    def __init__(self, url: str, scene: str, side: str) -> None:
        self.side = side
        self._store = redis.Redis.from_url(url, decode_responses=True)
        self._scene = scene

    @classmethod
    def of_this_process(cls) -> "Ledger":
        """The one that the environment names."""
        return cls(os.environ["FAULTS_LEDGER"], os.environ["FAULTS_SCENE"], os.environ["FAULTS_SIDE"])

    def note_run(self, key: str) -> int:
        """Note that a task runs; returns how often it has by now."""
        self._store.rpush(self._key("runs"), key)
        return int(self._store.hincrby(self._key("counts"), key))

    def take_effect(self, key: str) -> None:
        """Take the effect of a task: ours by `once`; Celery has nothing of the kind."""
        if self.side == OURS:
            once(self._store, f"{self._scene}:{key}", lambda effect: effect.rpush(self._key("effects"), key))
        else:
            self._store.rpush(self._key("effects"), key)

    def note_time(self, name: str, moment: float) -> None:
        """Note when something was, in seconds since the epoch."""
        self._store.rpush(self._key(name), moment)

    def first_time(self, name: str) -> bool:
        """Whether nobody has asked that before."""
        return bool(self._store.hsetnx(self._key("once"), name, 1))

    def is_first(self, name: str) -> bool:
        """Whether nobody has asked for the first time yet."""
        return not self._store.hexists(self._key("once"), name)

    def run_count(self) -> int:
        """How often tasks have run."""
        return int(self._store.llen(self._key("runs")))

    def effect_count(self) -> int:
        """How many effects have been taken."""
        return int(self._store.llen(self._key("effects")))

    def runs(self) -> list[str]:
        """The tasks in the order of their runs."""
        return [str(key) for key in self._store.lrange(self._key("runs"), 0, -1)]

    def effects(self) -> list[str]:
        """The effects in the order in which they were taken."""
        return [str(key) for key in self._store.lrange(self._key("effects"), 0, -1)]

    def times(self, name: str) -> list[float]:
        """When it was, in seconds since the epoch."""
        return [float(text) for text in self._store.lrange(self._key(name), 0, -1)]

    def close(self) -> None:
        """Close the connection."""
        self._store.close()

    def _key(self, name: str) -> str:
        return f"{self._scene}:{name}"
