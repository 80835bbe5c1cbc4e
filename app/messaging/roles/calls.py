"""Calls: a client asks for a Fibonacci number, a server works it out."""

from functools import partial
from typing import Any

from app.messaging.roles.serving import Ending
from app.messaging.roles.steps import HOW_TO_END, Step, Tell
from app.messaging.rpc import RpcClient, RpcClientConfig, RpcServer, RpcServerConfig

LARGEST = 10_000


async def call(config: RpcClientConfig, number: int, tell: Tell) -> None:
    """Ask for the Fibonacci number `number` and tell the answer."""
    async with RpcClient(config) as client:
        tell(Step("waiting", queue=config.queue_name, data=number, note="for the answer"))
        tell(Step("received", data=await client.call(number)))


async def serve(config: RpcServerConfig, count: int | None, tell: Tell) -> None:
    """Answer calls until the end."""
    ending = Ending(count)
    waiting = Step("waiting", queue=config.queue_name, note=HOW_TO_END)
    await ending.serve(FibonacciServer(config, ending, tell), partial(tell, waiting))


class FibonacciServer(RpcServer):
    """Answers a whole number n with the n-th Fibonacci number."""

    def __init__(self, config: RpcServerConfig, ending: Ending, tell: Tell) -> None:
        super().__init__(config)
        self._ending = ending
        self._tell = tell

    async def handler(self, data: Any) -> int:
        """Work out the number; raises ValueError for what is no place in the sequence."""
        self._tell(Step("received", routing_key=self.config.queue_name, queue=self.config.queue_name, data=data))
        if isinstance(data, bool) or not isinstance(data, int) or not 0 <= data <= LARGEST:
            raise ValueError(f"give a whole number from 0 to {LARGEST}")
        result = _fibonacci(data)
        self._tell(Step("handled", queue=self.config.queue_name, data=result))
        self._ending.count()
        return result


def _fibonacci(place: int) -> int:
    number, following = 0, 1
    for _ in range(place):
        number, following = following, number + following
    return number
