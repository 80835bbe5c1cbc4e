"""Tasks that come more than once and take effect once."""

from celery import group, uuid

from app.workflows.arithmetic import AnySignature
from tasks.accounts import deposit


def once() -> AnySignature:
    """The same deposit sent three times, as after a lost confirmation: it is made once."""
    account, key = uuid(), uuid()
    return group(deposit.s(account, 10, key) for _ in range(3))
