"""Play an experiment and compare what was seen with what must be."""

import time
from dataclasses import dataclass, field

from app.experiments.broker import Broker
from app.experiments.catalogue import Experiment
from app.experiments.player import RoleFailed
from app.experiments.stage import Late, Stage
from app.experiments.trace import Seen, Trace


@dataclass(slots=True)
class Run:
    """One run of an experiment; its trace and its commands grow while it is played."""

    name: str
    experiment: Experiment
    trace: Trace = field(default_factory=Trace)
    commands: list[str] = field(default_factory=list)
    """What a person types to repeat it, each role in a terminal of its own."""
    seconds: float = 0.0
    skipped: str | None = None
    """Why it could not be played here; it has then done nothing wrong."""
    error: str | None = None
    """Why it did not come to its end."""
    over: bool = False

    @property
    def seen(self) -> Seen:
        """What there is to see by now."""
        return self.experiment.look(self.trace)

    @property
    def as_expected(self) -> bool:
        """Whether that is what must be seen: nothing lost, doubled, or in the wrong place."""
        return self.seen == self.experiment.expected

    @property
    def ok(self) -> bool:
        """Whether it came to its end with what must be seen, or was skipped."""
        return self.skipped is not None or (self.over and self.error is None and self.as_expected)


async def execute(run: Run, broker: Broker, limit: float) -> None:
    """Play `run`; nothing in it may take longer than `limit` seconds.

    Raises BrokerUnreachable or BrokerRefused when RabbitMQ goes away in the middle.
    """
    started = time.monotonic()
    async with Stage(broker, run.trace, run.commands, limit) as stage:
        try:
            await _play(run, stage)
        except (Late, RoleFailed) as error:
            run.error = str(error)
            await broker.check()
    run.seconds = time.monotonic() - started
    run.over = True


async def _play(run: Run, stage: Stage) -> None:
    if run.experiment.obstacle is not None:
        run.skipped = await run.experiment.obstacle(stage)
    if run.skipped is None:
        await run.experiment.play(stage)
        await stage.until("what must be seen", lambda: run.as_expected)
        await stage.stop()  # what comes after that, and should not, is seen too
