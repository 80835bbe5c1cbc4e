"""The experiment with model tasks: one exchange leads each task to the queue of its type."""

from importlib.util import find_spec

from app.experiments.stage import Stage
from app.messaging.names import ML_QUEUES, ML_TASKS

UNKNOWN = [{"task_id": "12348", "model_type": "vision", "data": {}, "parameters": {}}]


async def models(stage: Stage) -> None:
    """Model tasks go by their type to the worker of that type; one of an unknown type comes back to its sender."""
    await stage.borrow([queue.name for queue in ML_QUEUES.values()], [ML_TASKS.name])
    await stage.enter("ml-work classification --name classifier", "ml-work regression clustering --name others")
    stage.write("unknown.json", UNKNOWN)
    await stage.play("ml-send unknown.json --name stranger")
    await stage.play("ml-send")


async def obstacle(stage: Stage) -> str | None:
    """Why this cannot be played here, as a sentence: its queues have names that all share."""
    if find_spec("sklearn") is None:
        return "The models need scikit-learn: install the extra ml."
    for queue in ML_QUEUES.values():
        if await stage.broker.in_use(queue.name):
            return f"The queue {queue.name!r} of this broker is in use: let its workers finish, or delete it."
    return None
