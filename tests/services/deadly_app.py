"""The application with tasks that kill what runs them: `celery -A tests.services.deadly_app worker`."""

from app.celery import app
from tasks.accounts import deposit
from tests.services import death


@app.task
def kill_this_process() -> None:
    """Note that it ran, then end the process."""
    death.note_run()
    death.kill_this_process()


@app.task
def deposit_and_kill_this_process(account: str, key: str) -> int:
    """Take an effect, then end before it can be acknowledged; the second time, return the balance."""
    balance = deposit(account, 10, key)
    death.die_the_first_time()
    return int(balance)
