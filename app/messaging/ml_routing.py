"""Tasks for models of three types: one direct exchange leads each task to the queue of its type, and to no other."""

import asyncio
from abc import abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Self

from aio_pika import IncomingMessage
from aio_pika.abc import AbstractRobustChannel, AbstractRobustQueue

from app.messaging import body
from app.messaging.configuration import WorkerConfig, check
from app.messaging.connection import RabbitMQConnectionManager
from app.messaging.errors import ConfigurationError, MessageRejected
from app.messaging.lifecycle import Service
from app.messaging.names import ML_QUEUES, ML_TASKS
from app.messaging.publisher import Publisher
from app.messaging.topology import ensure_binding, ensure_exchange
from app.messaging.work_queue import Worker


@dataclass(frozen=True, slots=True)
class ModelTask:
    """A task for a model, as it travels."""

    task_id: str
    model_type: str
    data: Mapping[str, Any]
    parameters: Mapping[str, Any]

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Read a task from decoded JSON; raises MessageRejected when it does not have a task's four fields."""
        if not isinstance(value, dict):
            raise MessageRejected("A model task is a JSON object.")
        task_id, model_type = value.get("task_id"), value.get("model_type")
        data, parameters = value.get("data"), value.get("parameters", {})
        if not (isinstance(task_id, str) and task_id and isinstance(model_type, str)):
            raise MessageRejected("A model task has a task_id and a model_type, both strings.")
        if not (isinstance(data, dict) and isinstance(parameters, dict)):
            raise MessageRejected("A model task has data and parameters, both JSON objects.")
        return cls(task_id, model_type, data, parameters)


class MLTaskSender(Service):
    """Sends model tasks: `async with MLTaskSender(url) as sender: await sender.send({...})`."""

    def __init__(self, rabbit_url: str) -> None:
        self._url = rabbit_url
        self._manager: RabbitMQConnectionManager | None = None
        self._publisher: Publisher | None = None

    async def start(self) -> None:
        """Join the connection of this process and declare the exchange, the three queues and their bindings.

        Raises BrokerUnreachable, BrokerRefused, DeclarationDiffers.
        """
        if self._publisher is not None:
            raise ConfigurationError("This MLTaskSender is started already.")
        manager = await RabbitMQConnectionManager.shared(self._url).acquire()
        publisher = Publisher(manager)
        try:
            await publisher.declare_exchange(ML_TASKS)
            for model_type, queue in ML_QUEUES.items():
                await publisher.declare_queue(queue)
                await ensure_binding(await manager.get_connection(), queue, ML_TASKS, model_type)
        except BaseException:
            await manager.release()
            raise
        self._manager, self._publisher = manager, publisher

    async def send(self, task: Mapping[str, Any]) -> None:
        """Send `task`, a JSON object with task_id, model_type, data and parameters; its model_type is the routing key.

        Raises MessageUnroutable for a model type that no queue takes, MessageRejected when a field is missing,
        MessageNotJSON, MessageNotConfirmed.
        """
        if self._publisher is None:
            raise ConfigurationError("This MLTaskSender is not started: use it in `async with`, or call start().")
        message = body.message(task)
        model_type = ModelTask.from_json(dict(task)).model_type
        await self._publisher.publish(message, model_type, ML_TASKS.name)

    async def stop(self) -> None:
        """Leave the connection."""
        manager, self._manager, self._publisher = self._manager, None, None
        if manager is not None:
            await manager.release()


class MLWorker(Service):
    """Serves the queues of the given model types, all three by default; subclass it and write the three methods.

    Each queue has a `Worker` of its own, so failures are tried again and then dead-lettered as there.
    """

    def __init__(self, rabbit_url: str, model_types: Collection[str] = tuple(ML_QUEUES), capacity: int = 1) -> None:
        known = ", ".join(ML_QUEUES)
        check(bool(model_types) and set(model_types) <= set(ML_QUEUES), f"the model types are {known}")
        self._workers = [
            _QueueWorker(self, WorkerConfig(rabbit_url, ML_QUEUES[model_type].name, capacity), model_type)
            for model_type in model_types
        ]

    @abstractmethod
    async def process_classification(self, task: ModelTask) -> None:
        """Do a task of this type. To be written by you; raise MessageRejected for one that can never be done."""

    @abstractmethod
    async def process_regression(self, task: ModelTask) -> None:
        """Do a task of this type; as above."""

    @abstractmethod
    async def process_clustering(self, task: ModelTask) -> None:
        """Do a task of this type; as above."""

    async def start(self) -> None:
        """Begin to take tasks; does not block. Raises BrokerUnreachable, BrokerRefused, DeclarationDiffers."""
        try:
            for worker in self._workers:
                await worker.start()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Take no more tasks, let those that run end, and leave the connection."""
        await asyncio.gather(*(worker.stop() for worker in self._workers))

    async def process(self, task: ModelTask) -> None:
        """Give `task` to the method of its model type; raises MessageRejected when there is none."""
        methods = {
            "classification": self.process_classification,
            "regression": self.process_regression,
            "clustering": self.process_clustering,
        }
        if task.model_type not in methods:
            raise MessageRejected(f"The model type {task.model_type!r} is unknown.")
        await methods[task.model_type](task)


class _QueueWorker(Worker):
    def __init__(self, owner: MLWorker, config: WorkerConfig, model_type: str) -> None:
        super().__init__(config)
        self._owner = owner
        self._model_type = model_type

    async def handler(self, msg: IncomingMessage) -> None:
        await self._owner.process(ModelTask.from_json(body.decode(msg.body)))

    async def _declare(self, manager: RabbitMQConnectionManager, channel: AbstractRobustChannel) -> AbstractRobustQueue:
        queue = await super()._declare(manager, channel)
        await ensure_exchange(await manager.get_connection(), ML_TASKS)
        await channel.declare_exchange(ML_TASKS.name, ML_TASKS.kind, durable=ML_TASKS.durable)
        await queue.bind(ML_TASKS.name, self._model_type)
        return queue
