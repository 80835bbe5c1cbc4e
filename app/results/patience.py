"""Waiting for a result store that is away."""

from collections.abc import Callable
from typing import Any

from celery.utils.log import get_logger
from redis.backoff import EqualJitterBackoff
from redis.retry import Retry

SHORTEST_WAIT = 0.05
LONGEST_WAIT = 5.0

logger = get_logger(__name__)


class UntilBack(Retry):
    """Sends a command again until the store has answered, and says each time in the log why it had to."""

    def __init__(self) -> None:
        super().__init__(EqualJitterBackoff(LONGEST_WAIT, SHORTEST_WAIT), retries=-1)

    def call_with_retry(self, do: Callable[[], Any], fail: Callable[..., Any], *options: Any, **more: Any) -> Any:
        """Call `do` until it succeeds, and `fail` with each error."""

        def say_and_fail(error: Exception, *count: int) -> Any:
            logger.warning("The result store does not answer (%s); trying again.", error)
            return fail(error, *count)

        return super().call_with_retry(do, say_and_fail, *options, **more)
