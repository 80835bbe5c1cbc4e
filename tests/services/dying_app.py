"""The application with pool processes that kill themselves, once, at a named point in the life of a chord.

`DIES_AT=after-claim DIED_FOLDER=/some/folder celery -A tests.services.dying_app worker`
"""

import os
import signal
from pathlib import Path
from typing import Any

from app.celery import app
from app.results import backend
from app.results.backend import ResultBackend

POINTS = ("before-count", "after-count", "after-claim", "before-sending", "after-sending")

backend.CLAIM_SECONDS = 2  # type: ignore[misc]


def reached(point: str) -> None:
    """End this process as the kernel's memory killer would, the first time that the chosen point is reached."""
    if point == os.environ["DIES_AT"]:
        try:
            (Path(os.environ["DIED_FOLDER"]) / point).touch(exist_ok=False)
        except FileExistsError:
            return
        os.kill(os.getpid(), signal.SIGKILL)


class DyingBackend(ResultBackend):
    """The result backend, with Celery's steps of a chord as places to die at."""

    @property
    def _chord_part_return_script(self) -> Any:
        def count(**call: Any) -> Any:
            reached("before-count")
            answer = super(DyingBackend, self)._chord_part_return_script(**call)
            reached("after-claim" if answer[3] else "after-count")
            return answer

        return count

    @property
    def _chord_claim_extend_script(self) -> Any:
        def extend(**call: Any) -> Any:
            held = super(DyingBackend, self)._chord_claim_extend_script(**call)
            reached("before-sending")
            return held

        return extend

    @property
    def _chord_cleanup_script(self) -> Any:
        def clean_up(**call: Any) -> Any:
            reached("after-sending")
            return super(DyingBackend, self)._chord_cleanup_script(**call)

        return clean_up


app.loader.override_backends = {"redis": f"{__name__}:DyingBackend"}
