"""Waiting for a condition, with a limit and a name for what never came true."""

import time
from collections.abc import Callable
from typing import TypeVar

INTERVAL = 0.01

Value = TypeVar("Value")


def wait_until(predicate: Callable[[], Value], timeout: float, description: str) -> Value:
    """Call `predicate` every 10 ms until its answer is true, and return that answer.

    Raises AssertionError, with `description`, when it is still not true after `timeout` seconds.
    """
    if not (value := comes_true(predicate, timeout)):
        raise AssertionError(f"Waited {timeout:g} s, and it never came true: {description}")
    return value


def comes_true(predicate: Callable[[], Value], timeout: float) -> Value:
    """The same for what need not come true: returns the last answer."""
    deadline = time.monotonic() + timeout
    while not (value := predicate()) and time.monotonic() < deadline:
        time.sleep(INTERVAL)
    return value
