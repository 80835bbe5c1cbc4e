"""Tasks that work on pictures."""

from typing import Any

from celery import Task
from celery.exceptions import SoftTimeLimitExceeded

from app.celery import app
from app.pictures.errors import PictureError
from app.settings import get_settings
from tasks.long_running import report_progress

LIMIT_SECONDS = 60
"""The largest picture takes some seconds. The limit holds where a worker has processes, which is the default."""
GRACE_SECONDS = 15


@app.task(
    bind=True,
    throws=(PictureError,),
    soft_time_limit=LIMIT_SECONDS,
    time_limit=LIMIT_SECONDS + GRACE_SECONDS,
)
def make_thumbnails(self: "Task[Any, list[int]]", picture_id: str) -> list[int]:
    """Make the thumbnails of a picture that was sent, telling how far it has come; returns their sizes.

    Raises PictureError when the picture is damaged or takes too long; it is not kept then.
    """
    # Here, so that a worker that makes none does not carry what does.
    from app.pictures.store import SIZES, Pictures

    pictures, made = Pictures(get_settings().data_dir / "pictures"), []
    try:
        for size in pictures.make_thumbnails(picture_id):
            made.append(size)
            report_progress(self, len(made), len(SIZES))
    except SoftTimeLimitExceeded:
        pictures.drop(picture_id)
        raise PictureError(f"The picture was not made into thumbnails within {LIMIT_SECONDS} s.") from None
    return made
