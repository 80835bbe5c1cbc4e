"""Experiments with a queue: each message goes to one receiver, and none is lost."""

from app.experiments.stage import Stage
from app.messaging import names
from app.messaging.roles.steps import Step


async def hello(stage: Stage) -> None:
    """Messages wait while nobody receives; then two receivers take turns."""
    await stage.play("send --count 2 early")
    await stage.enter("receive --capacity 10 --seconds 0 --name first")
    await stage.until_told("first", 2)
    await stage.enter("receive --capacity 10 --seconds 0 --name second")
    await stage.play("send --count 6 turn")


async def ack(stage: Stage) -> None:
    """A receiver is killed in the middle of a message: the message goes to another one."""
    (victim,) = await stage.enter("receive --seconds 60 --name victim")
    await stage.play("send hello")
    await stage.until_told("victim", 1)
    await stage.enter("receive --seconds 0 --name other")
    stage.kill(victim)


async def durable(stage: Stage) -> None:
    """Confirmed messages are on the disk, in a durable queue: also a broker that is restarted has them.

    The broker is not restarted here, because others may be using it; the tests of the project do that.
    """
    await stage.play("send --count 3 hello")
    queue = stage.own("queue", names.HELLO.name)
    count = await stage.broker.persistent_messages(queue)
    stage.observe(Step("waiting", queue=queue, note=f"{count} persistent messages in a durable queue"))
    await stage.enter("receive --seconds 0 --name late")


async def fair(stage: Stage) -> None:
    """With a prefetch of 1 a slow receiver has one message in hand, and hoards none."""
    slow, fast = await stage.enter("receive --seconds 60 --name slow", "receive --seconds 0 --name fast")
    await stage.play("send --count 10 hello")
    await stage.until_told("slow", 1)
    await stage.until_told("fast", 9)
    await stage.stop(fast)
    stage.kill(slow)


async def work(stage: Stage) -> None:
    """A worker has as many messages in hand as its capacity; told to stop, it finishes these and leaves the others."""
    (first,) = await stage.enter("receive --capacity 2 --seconds 2 --name first")
    await stage.play("send --count 5 task")
    await stage.until_told("first", 2)
    await stage.stop(first)
    await stage.enter("receive --seconds 0 --name second")
