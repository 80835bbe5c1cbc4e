"""Beat's scheduler, named in app/celery.py."""

import os
from pathlib import Path

from celery.beat import PersistentScheduler


class Scheduler(PersistentScheduler):
    """Celery's own scheduler, whose folder need not exist yet.

    Raises SystemExit, with the sentence to show, when the folder cannot be written.
    """

    schedule_filename: str  # Celery's stubs leave it out

    def setup_schedule(self) -> None:
        """Open the schedule, in its folder."""
        folder = Path(self.schedule_filename).parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SystemExit(f"Beat cannot make the folder of its schedule: {error}; correct DATA_DIR.") from None
        if not os.access(folder, os.W_OK | os.X_OK):
            raise SystemExit(f"Beat cannot write its schedule into {folder}; correct DATA_DIR or its owner.")
        super().setup_schedule()
