"""Threads for what may hang: they keep no process from ending, as those of concurrent.futures would."""

import asyncio
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

Answer = TypeVar("Answer")
Job = tuple["asyncio.Future[Any]", Callable[[], Any]]


class Threads:
    """Some threads that call functions for an event loop; each calls `prepare` first."""

    def __init__(self, count: int, name: str, prepare: Callable[[], None] = lambda: None) -> None:
        self._jobs: SimpleQueue[Job] = SimpleQueue()
        self._count = count
        self._name = name
        self._prepare = prepare
        self._started = False

    def call(self, function: Callable[[], Answer]) -> "asyncio.Future[Answer]":
        """Have a thread call `function`; one that is cancelled before its turn is not called."""
        if not self._started:
            self._started = True
            for number in range(self._count):
                Thread(target=self._work, name=f"{self._name}-{number}", daemon=True).start()
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._jobs.put((answer, partial(copy_context().run, function)))
        return answer

    def _work(self) -> None:
        self._prepare()
        while True:
            answer, function = self._jobs.get()
            if answer.cancelled():
                continue
            try:
                tell = partial(_succeed, answer, function())
            except Exception as error:
                tell = partial(_fail, answer, error)
            loop = answer.get_loop()
            if not loop.is_closed():
                loop.call_soon_threadsafe(tell)


def _succeed(answer: "asyncio.Future[Any]", value: Any) -> None:
    if not answer.done():
        answer.set_result(value)


def _fail(answer: "asyncio.Future[Any]", error: Exception) -> None:
    if not answer.done():
        answer.set_exception(error)
