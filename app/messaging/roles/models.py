"""Model tasks: the sender's go by their type to the queue of that type, where a worker of that type does them."""

import asyncio
from collections.abc import Collection
from functools import partial
from pathlib import Path
from typing import Any

from app.messaging import body
from app.messaging.errors import ConfigurationError, MessageNotJSON, MessageUnroutable
from app.messaging.ml_models import MODELS
from app.messaging.ml_routing import MLTaskSender, MLWorker, ModelTask
from app.messaging.names import ML_QUEUES, ML_TASKS
from app.messaging.roles.serving import Ending
from app.messaging.roles.steps import HOW_TO_END, Step, Tell

SAMPLE_TASKS: list[dict[str, Any]] = [
    {"task_id": task_id, "model_type": model_type, "data": {model_type: number}, "parameters": parameters}
    for task_id, model_type, number, parameters in [
        ("12345", "classification", 0.99, {"random_state": 4, "cl_lr": 5}),
        ("12346", "regression", [0.01, 4.01, 0.0441], {"random_state": 8, "cl_lr": 555}),
        ("12347", "clustering", [0.01, 0.02, 4.0, 4.1], {"random_state": 8, "cl_lr": 555}),
    ]
]


def read_tasks(file: Path | None) -> list[dict[str, Any]]:
    """The tasks in a file, or the samples; raises ConfigurationError for a file that holds none."""
    if file is None:
        return SAMPLE_TASKS
    try:
        tasks = body.decode(file.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}.") from None
    except MessageNotJSON as error:
        raise ConfigurationError(f"{file} cannot be used. {error}") from None
    if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
        raise ConfigurationError(f"{file} cannot be used: it holds no list of tasks, which are JSON objects.")
    return tasks


async def send_tasks(url: str, tasks: list[dict[str, Any]], tell: Tell) -> None:
    """Send each of the `tasks`; raises MessageUnroutable, after the others are sent, when no queue takes one."""
    refused: MessageUnroutable | None = None
    async with MLTaskSender(url) as sender:
        for task in tasks:
            key = str(task.get("model_type", ""))
            try:
                await sender.send(task)
                tell(Step("sent", ML_TASKS.name, key, data=task))
            except MessageUnroutable as error:
                refused = error
                tell(Step("returned", ML_TASKS.name, key, data=task, note=str(error)))
    if refused is not None:
        raise refused


async def work(url: str, model_types: Collection[str], count: int | None, tell: Tell) -> None:
    """Do the tasks of the given types, until the end."""
    ending = Ending(count)
    waiting = Step("waiting", ML_TASKS.name, " ".join(model_types), note=HOW_TO_END)
    await ending.serve(ModelWorker(url, model_types, ending, tell), partial(tell, waiting))


class ModelWorker(MLWorker):
    """Does each task with its small model and tells the result."""

    def __init__(self, url: str, model_types: Collection[str], ending: Ending, tell: Tell) -> None:
        super().__init__(url, model_types)
        self._ending = ending
        self._tell = tell

    async def process_classification(self, task: ModelTask) -> None:
        """Classify the numbers in the data."""
        await self._process(task)

    async def process_regression(self, task: ModelTask) -> None:
        """Lay a line through the numbers in the data."""
        await self._process(task)

    async def process_clustering(self, task: ModelTask) -> None:
        """Put the numbers in the data into clusters."""
        await self._process(task)

    async def _process(self, task: ModelTask) -> None:
        step = partial(Step, exchange=ML_TASKS.name, routing_key=task.model_type)
        step = partial(step, queue=ML_QUEUES[task.model_type].name, message_id=task.task_id, data=task.data)
        self._tell(step("received"))
        result = await asyncio.to_thread(MODELS[task.model_type], task)
        self._tell(step("handled", note=str(result)))
        self._ending.count()
