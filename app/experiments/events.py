"""Experiments with exchanges: each listener gets a copy of what its binding lets through.

The last event of each listener is sent after those that it must not get: once it is there, they will not come.
"""

from app.experiments.stage import Stage
from app.messaging.roles.steps import Step


async def fanout(stage: Stage) -> None:
    """Everybody who listens gets everything, each from a temporary queue of its own."""
    await stage.enter("listen fanout --name screen", "listen fanout --file all.jsonl --name file")
    for text in ("one", "two"):
        await stage.play(f"emit fanout {text}")
    for who in ("screen", "file"):
        await stage.until_told(who, 2, "handled")
    queues = {told.step.queue for told in stage.trace.told if told.step.action == "waiting"}
    await stage.stop()
    gone = [queue for queue in queues if await stage.broker.in_use(queue) is None]
    stage.observe(Step("waiting", note=f"{len(gone)} temporary queues, gone with their listeners"))


async def direct(stage: Stage) -> None:
    """Listeners choose levels; what has a level that nobody listens to comes back to its sender."""
    await stage.enter(
        "listen direct info critical --name screen", "listen direct critical --file critical.jsonl --name file"
    )
    await stage.play("emit direct info started")
    await stage.play("emit direct debug details")
    await stage.play("emit direct critical 'disk full'")


async def topic(stage: Stage) -> None:
    """Listeners choose patterns: * stands for one word, # for any number of words."""
    await stage.enter(
        "listen topic 'logs.*' --name logs",
        "listen topic 'metrics.#' --name metrics",
        "listen topic 'app.notification.sms.#' --name sms",
    )
    await stage.play("emit topic logs.disk.full no")
    for key in ("logs.error", "logs.info", "metrics.cpu", "metrics.cpu.usage", "app.notification.sms.moscow"):
        await stage.play(f"emit topic {key} yes")


async def headers(stage: Stage) -> None:
    """Listeners choose headers, all of them or any of them."""
    await stage.enter(
        "listen headers type=image priority=high --name both",
        "listen headers --any type=image priority=high --name any",
    )
    await stage.play("emit headers type=text priority=low letter")
    await stage.play("emit headers type=image priority=low sketch")
    await stage.play("emit headers type=image priority=high scan")


async def logger(stage: Stage) -> None:
    """The class Logger: every logger, in every process, gets the events of both levels."""
    await stage.enter("logger --name first", "logger --name second")
    await stage.play("""log info '{"disk": "fine"}'""")
    await stage.play("""log critical '{"disk": "full"}'""")


async def types(stage: Stage) -> None:
    """A generator sends two types of messages; each of two clients gets its type, and writes its own log."""
    await stage.enter("client image --name images", "client text --name texts")
    await stage.play("generate --count 4 --interval 0")


async def training(stage: Stage) -> None:
    """A training has finished: one event reaches logging, visualisation and notification."""
    await stage.enter(
        *(
            f"listen fanout --exchange training_finished --name {service}"
            for service in ("logging", "visualisation", "notification")
        )
    )
    await stage.play("""emit fanout --exchange training_finished '{"model": "m1", "accuracy": 0.93}'""")


async def media(stage: Stage) -> None:
    """An image and a text are routed to handlers of their own: one counts pixels, the other words."""
    await stage.enter("client image --name images", "client text --name texts")
    await stage.play("""emit direct --exchange media image '{"width": 640, "height": 480}'""")
    await stage.play("""emit direct --exchange media text '{"text": "three small words"}'""")
