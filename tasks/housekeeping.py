"""Tasks that clear away what nobody wants any more."""

import time
from pathlib import Path

from celery.utils.log import get_task_logger

from app.celery import app
from app.settings import get_settings

KEEP_SECONDS = 30 * 24 * 3600
"""How long reports, pictures and scores are kept."""

logger = get_task_logger(__name__)


@app.task
def clear_away() -> dict[str, int]:
    """Remove reports, pictures and scores that are older than 30 days, and expired results; returns how many files.

    In Redis results expire by themselves; what another result store keeps for longer, Celery knows how to remove.
    The weather file is never touched.
    """
    # Here, so that a worker that never does it does not carry what looks into pictures.
    from app.pictures.store import Pictures

    data = get_settings().data_dir
    app.backend.cleanup()
    removed = {
        "reports": _remove_old(data / "reports", "weather-*.pdf"),
        "scores": _remove_old(data / "forecast", "*.json"),
        "pictures": Pictures(data / "pictures").drop_older_than(KEEP_SECONDS),
    }
    logger.info("Cleared away: %s.", ", ".join(f"{count} {kind}" for kind, count in removed.items()))
    return removed


def _remove_old(folder: Path, pattern: str) -> int:
    """Remove the files that match, and what a killed writer has left of one (files.replacing puts a dot before it)."""
    before, removed = time.time() - KEEP_SECONDS, 0
    for path in [*folder.glob(pattern), *folder.glob(f".{pattern}.*")]:
        if path.is_file() and path.stat().st_mtime < before:
            path.unlink(missing_ok=True)
            removed += 1
    return removed
