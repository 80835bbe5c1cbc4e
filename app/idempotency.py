"""Effects that are taken once, however often the task that takes them runs.

A task may run twice: its worker died after the effect and before the acknowledgement, or its sender sent it again
because a confirmation was lost. `once` writes the effect and a mark for its key in one transaction of Redis or Valkey.

What it guarantees: as long as the mark is kept, and the store keeps what it has acknowledged (append-only file), all
that the effect writes into the store is written exactly once per key; a run that ends in the middle writes nothing.
What it cannot: an effect elsewhere, as in a file or at another service, is not part of the transaction. Give it an
identity there, as the weather file does with (provider, place, observed_at), or hand the key to the service.
"""

from collections.abc import Callable
from typing import Any

from redis import Redis, WatchError
from redis.client import Pipeline

MARK_PREFIX = "weatherbeat:taken:"
KEEP_SECONDS = 7 * 24 * 3600
"""How long a mark is kept: longer than a message can lie among the dead letters before it is sent again."""

Effect = Callable[[Pipeline], Any]


def once(store: Redis, key: str, effect: Effect, keep_seconds: int = KEEP_SECONDS) -> bool:
    """Take `effect` unless it was taken under `key` before; returns whether it was taken now.

    `key` names the effect, not the attempt: the task's id, or what the effect is about, such as an order's number.
    `effect` is given a transaction, to which it adds commands. When it raises, nothing is written.
    Raises redis.RedisError when the store does not answer; calling it again is then right.
    """
    mark = MARK_PREFIX + key
    with store.pipeline() as transaction:
        while True:
            try:
                transaction.watch(mark)  # type: ignore[no-untyped-call]  # redis-py has no types for it
                if transaction.exists(mark):
                    return False
                transaction.multi()
                effect(transaction)
                transaction.set(mark, 1, ex=keep_seconds)
                transaction.execute()
            except WatchError:  # somebody else has just taken it
                continue
            return True
