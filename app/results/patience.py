"""Waiting for a result store that is away."""

from collections.abc import Callable
from typing import Any

from celery.utils.log import get_logger
from redis.backoff import EqualJitterBackoff
from redis.exceptions import ResponseError
from redis.retry import Retry

SHORTEST_WAIT = 0.05
LONGEST_WAIT = 5.0

logger = get_logger(__name__)


class UntilBack(Retry):
    """Sends a command again until the store has answered, and says each time in the log why it had to."""

    def __init__(self) -> None:
        super().__init__(EqualJitterBackoff(LONGEST_WAIT, SHORTEST_WAIT), retries=-1)

    def call_with_retry(
        self,
        do: Callable[[], Any],
        fail: Callable[..., Any],
        is_retryable: Callable[[Exception], bool] | None = None,
        with_failure_count: bool = False,
    ) -> Any:
        """Call `do` until it succeeds, and `fail` with each error."""

        def say_and_fail(error: Exception, *count: int) -> Any:
            logger.warning("The result store does not answer (%s); trying again.", error)
            return fail(error, *count)

        try:
            return super().call_with_retry(do, say_and_fail, is_retryable, with_failure_count)
        except ResponseError:
            raise
        except BaseException as error:
            # A time limit, say, between a command and its answer: the next command would take that for its own.
            fail(error, *((0,) if with_failure_count else ()))
            raise
