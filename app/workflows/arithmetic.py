"""Every way in which Celery combines tasks, shown with numbers.

The sentences say what comes without parameters, and each parameter says by its name what it changes.
"""

from typing import Any

from celery import chain, chord, group
from celery.canvas import Signature

from tasks.arithmetic import add, mul, xsum
from tasks.callbacks import on_task_error, on_task_success, print_task
from tasks.failing import broken_task, unreliable
from tasks.long_running import count

AnySignature = Signature[Any]


def delay() -> AnySignature:
    """One task, sent to a worker: add(1, 1)."""
    return add.s(1, 1)


def call() -> AnySignature:
    """The same task called as a plain function, in this process: no message is sent."""
    return add.s(1, 1)


def group_of_sums(size: int = 10) -> AnySignature:
    """Ten tasks at the same time: add(i, i) for i from 0 to 9."""
    return group(add.s(i, i) for i in range(size))


def chain_of_two() -> AnySignature:
    """One task after another, each given the result of the one before: (4 + 4) * 8."""
    return chain(add.s(4, 4), mul.s(8))


def chord_of_sums(size: int = 10) -> AnySignature:
    """Ten tasks at the same time, then one that is given all their results: the sum of add(i, i)."""
    return chord([add.s(i, i) for i in range(size)], xsum.s())


def link_error() -> AnySignature:
    """A task that fails, and the callback that is told which one and why."""
    return broken_task.s().on_error(on_task_error.s())


def link() -> AnySignature:
    """A task that succeeds, and the callback that is given its result."""
    signature = print_task.s("something")
    signature.link(on_task_success.s(print_task.name))
    return signature


def chord_error() -> AnySignature:
    """A chord with a failing task in its header: the body does not run, the callback says why."""
    return chord([add.s(1, 1), broken_task.s(), add.s(2, 2)], xsum.s().on_error(on_task_error.s()))


def nested() -> AnySignature:
    """A chord of chains inside a chain: ((1 + 1) + 1) * 2 and ((1 + 1) + 2) * 3, summed, then * 10."""
    two_chains = [chain(add.s(1), mul.s(2)), chain(add.s(2), mul.s(3))]
    return chain(add.s(1, 1), chord(two_chains, xsum.s()), mul.s(10))


def starmap(size: int = 10) -> AnySignature:
    """One message for many calls, made one after another: add(i, i) for i from 0 to 9."""
    return add.starmap([(i, i) for i in range(size)])


def chunks(size: int = 100) -> AnySignature:
    """A hundred calls in ten messages of ten each."""
    return add.chunks([(i, i) for i in range(size)], 10).group()


def retry(failures: int = 2) -> AnySignature:
    """A task that fails twice, is retried after a growing delay, and succeeds."""
    return unreliable.s(failures)


def progress(steps: int = 40, seconds: float = 2.0) -> AnySignature:
    """A long task that reports how far it has come."""
    return count.s(steps, seconds)
