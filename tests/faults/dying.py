"""A pool process that dies once at a named point in the life of a chord: `worker --include tests.faults.dying`.

`FAULTS_DIES_AT=before-count`: the result of a part has been stored, or is about to be where storing and counting are
one step, and the part has not been counted. `after-claim`: all parts are counted, and this process is the one to send
the body, which it has not done.
"""

import os
from typing import Any

from celery import current_app
from celery.backends.redis import RedisBackend

from app.results import backend as ours
from tests.faults.tasks import die, ledger

ours.CLAIM_SECONDS = 2  # type: ignore[attr-defined]


def reached(point: str) -> None:
    """Die the first time that the chosen point is reached."""
    if point == os.environ["FAULTS_DIES_AT"] and ledger.first_time(point):
        die()


def dying(base: type[Any]) -> type[Any]:
    """A result backend like `base`, with the points to die at."""

    class Dying(base):  # type: ignore[misc]
        @property
        def _chord_part_return_script(self) -> Any:
            count = super()._chord_part_return_script

            def count_and_die(**call: Any) -> Any:
                reached("before-count")
                answer = count(**call)
                if answer[3]:
                    reached("after-claim")
                return answer

            return count_and_die

    return Dying


DyingOurs = dying(ours.ResultBackend)
DyingStock = dying(RedisBackend)
current_app.loader.override_backends = {
    "redis": f"{__name__}:{'DyingStock' if current_app.main == 'stock' else 'DyingOurs'}"
}
