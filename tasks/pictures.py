"""Tasks that work on pictures."""

from typing import Any

from celery import Task

from app.celery import app
from app.pictures.errors import PictureError
from app.settings import get_settings
from tasks.long_running import report_progress


@app.task(bind=True, throws=(PictureError,))
def make_thumbnails(self: "Task[Any, list[int]]", picture_id: str) -> list[int]:
    """Make the thumbnails of a picture that was sent, telling how far it has come; returns their sizes.

    Raises PictureError when the picture is damaged; it is not kept then.
    """
    # Here, so that a worker that makes none does not carry what does.
    from app.pictures.store import SIZES, Pictures

    pictures, made = Pictures(get_settings().data_dir / "pictures"), []
    for size in pictures.make_thumbnails(picture_id):
        made.append(size)
        report_progress(self, len(made), len(SIZES))
    return made
