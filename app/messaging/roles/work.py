"""Work: a sender puts messages into a queue, receivers take turns."""

import asyncio
from functools import partial
from typing import Any

from aio_pika import IncomingMessage

from app.messaging import body
from app.messaging.errors import MessageNotJSON
from app.messaging.roles.serving import Ending
from app.messaging.roles.steps import HOW_TO_END, Step, Tell
from app.messaging.work_queue import Worker, WorkerClient, WorkerClientConfig, WorkerConfig


async def send(config: WorkerClientConfig, data: dict[str, Any], count: int, tell: Tell) -> None:
    """Put `data` into the queue `count` times; numbered from the second time on, so that they can be told apart."""
    async with WorkerClient(config) as client:
        for number in range(1, count + 1):
            message = data if count == 1 else data | {"number": number}
            await client.put(message)
            tell(Step("sent", routing_key=config.queue_name, queue=config.queue_name, data=message))


async def receive(config: WorkerConfig, seconds: float, count: int | None, failing: bool, tell: Tell) -> None:
    """Take messages, each of which takes `seconds`, until the end; `failing` handles none."""
    ending = Ending(count)
    receiver = Receiver(config, seconds, failing, ending, tell)
    waiting = Step("waiting", queue=config.queue_name, note=HOW_TO_END)
    await ending.serve(receiver, partial(tell, waiting))


class Receiver(Worker):
    """A worker that takes its time and tells what it does."""

    def __init__(self, config: WorkerConfig, seconds: float, failing: bool, ending: Ending, tell: Tell) -> None:
        super().__init__(config)
        self._seconds = seconds
        self._failing = failing
        self._ending = ending
        self._tell = tell

    async def handler(self, msg: IncomingMessage) -> None:
        """Tell, wait, and tell again."""
        self._tell(self._step("received", msg, "again" if msg.redelivered else ""))
        await asyncio.sleep(self._seconds)
        if self._failing:
            raise RuntimeError("this receiver fails on purpose")
        self._tell(self._step("handled", msg))
        self._ending.count()

    async def on_retry(self, msg: IncomingMessage, error: BaseException, delay: float) -> None:
        """Tell that there is another try."""
        self._tell(self._step("retried", msg, f"{error}; again in {delay:g} s"))

    async def on_dead_letter(self, msg: IncomingMessage, reason: str) -> None:
        """Tell where the message goes."""
        self._tell(self._step("dead-lettered", msg, reason))
        self._ending.count()

    def _step(self, action: Any, msg: IncomingMessage, note: str = "") -> Step:
        try:
            data = body.decode(msg.body)
        except MessageNotJSON:
            data = msg.body.decode(errors="replace")
        queue = self.config.queue_name
        return Step(action, msg.exchange or "", msg.routing_key or "", queue, msg.message_id, data, note=note)
