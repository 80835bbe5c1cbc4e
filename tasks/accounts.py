"""Tasks whose effect must not be doubled: an account in the result store."""

from redis import Redis
from redis.client import Pipeline
from redis.exceptions import ConnectionError as StoreAway
from redis.exceptions import TimeoutError as StoreSilent

from app.celery import app
from app.idempotency import once

KEEP_SECONDS = 24 * 3600
ACCOUNT_PREFIX = "weatherbeat:account:"


class NoSharedStore(RuntimeError):
    """There is no store that all workers share, in which an effect could be marked as taken."""


@app.task(autoretry_for=(StoreAway, StoreSilent), retry_backoff=True, max_retries=10, throws=(NoSharedStore,))
def deposit(account: str, amount: int, key: str) -> int:
    """Add `amount` to `account` once for each `key`, however often this runs; returns the balance.

    Raises NoSharedStore where results are not in Redis or Valkey.
    """
    store = shared_store()
    name = ACCOUNT_PREFIX + account

    def add(effect: Pipeline) -> None:
        effect.incrby(name, amount)
        effect.expire(name, KEEP_SECONDS)

    once(store, key, add)
    return int(store.get(name) or 0)


def shared_store() -> Redis:
    """The Redis or Valkey that keeps the results, for marks of what was done; raises NoSharedStore where none does."""
    client = getattr(app.backend, "client", None)
    if not isinstance(client, Redis):
        raise NoSharedStore(
            "effects are marked as taken in Redis or Valkey; set CELERY_RESULT_BACKEND to a redis:// URL"
        )
    return client
