"""What users of a work queue may choose, checked when it is chosen."""

from dataclasses import dataclass, field

from app.messaging.consumer import MOST_IN_FLIGHT
from app.messaging.errors import ConfigurationError
from app.messaging.names import LONGEST_NAME, Queue, QueueType, retry_queue
from app.messaging.publisher import CONFIRM_TIMEOUT

LONGEST_DELAY = 86_400.0
"""Seconds."""


@dataclass(frozen=True)
class WorkerClientConfig:
    """Where tasks go. The queue is made when there is none."""

    rabbit_url: str = field(repr=False)
    queue_name: str
    durable: bool = True
    """Whether the queue survives a restart of the broker; must be as whoever made the queue said."""
    queue_type: QueueType = "classic"
    """What to make when there is no queue of that name; see `app.messaging.names.Queue`."""
    timeout: float = CONFIRM_TIMEOUT
    """Seconds for a task to be confirmed, a broker that restarts meanwhile included."""

    def __post_init__(self) -> None:
        """Raise ConfigurationError for a value that cannot be used."""
        check_queue_name(self.queue_name)
        check(self.timeout > 0, "timeout is a number of seconds above 0")

    @property
    def queue(self) -> Queue:
        """The queue as it is declared."""
        return Queue(self.queue_name, self.durable, self.queue_type)


@dataclass(frozen=True)
class WorkerConfig:
    """Where tasks come from, how many at once, and what happens when one fails."""

    rabbit_url: str = field(repr=False)
    queue_name: str
    capacity: int = 1
    """The prefetch, and the most handlers that run at once."""
    durable: bool = True
    queue_type: QueueType = "classic"
    retry_delays: tuple[float, ...] = (1.0, 5.0, 25.0)
    """Seconds before each further try of a task whose handler raised; after the last one it is dead-lettered."""
    stop_timeout: float = 30.0
    """Seconds that `stop` waits for the handlers that run."""
    most_deliveries: int = 10
    """Deliveries without an end after which a task counts as what kills its workers. Only a quorum queue counts."""

    def __post_init__(self) -> None:
        """Raise ConfigurationError for a value that cannot be used."""
        check_queue_name(self.queue_name)
        check(1 <= self.capacity <= MOST_IN_FLIGHT, f"capacity lies between 1 and {MOST_IN_FLIGHT}")
        check(all(0 <= delay <= LONGEST_DELAY for delay in self.retry_delays), "retry_delays lie between 0 s and a day")
        check(self.stop_timeout >= 0, "stop_timeout is a number of seconds from 0")
        longest = retry_queue(self.queue_name, LONGEST_DELAY)
        check(len(longest.encode()) <= LONGEST_NAME, f"queue_name is too long: {longest!r} has to fit as well")

    @property
    def queue(self) -> Queue:
        """The queue as it is declared."""
        return Queue(self.queue_name, self.durable, self.queue_type)


@dataclass(frozen=True)
class LoggerConfig:
    """The bus of a logger: `name` is the exchange."""

    rabbit_url: str = field(repr=False)
    name: str
    durable: bool = False
    """Whether the exchange survives a restart of the broker; must be as whoever made the exchange said."""

    def __post_init__(self) -> None:
        """Raise ConfigurationError for a value that cannot be used."""
        check(0 < len(self.name.encode()) <= LONGEST_NAME, f"name has 1 to {LONGEST_NAME} bytes")
        check(not self.name.startswith("amq."), "name cannot begin with amq., which belongs to RabbitMQ")


@dataclass(frozen=True)
class RpcClientConfig:
    """Whom a client calls: whoever serves the queue."""

    rabbit_url: str = field(repr=False)
    queue_name: str
    timeout: float = 10.0
    """Seconds for a call, from sending it to its answer."""
    confirm_timeout: float | None = None
    """Seconds in which RabbitMQ has to confirm the call, where that is to be known sooner."""

    def __post_init__(self) -> None:
        """Raise ConfigurationError for a value that cannot be used."""
        check_queue_name(self.queue_name)
        check(
            self.confirm_timeout is None or self.confirm_timeout > 0, "confirm_timeout is a number of seconds above 0"
        )
        check(0 < self.timeout <= LONGEST_DELAY, "timeout lies above 0 s and up to a day")


@dataclass(frozen=True)
class RpcServerConfig:
    """Where a server takes calls, and how many at once."""

    rabbit_url: str = field(repr=False)
    queue_name: str
    capacity: int = 1
    durable: bool = True
    queue_type: QueueType = "classic"
    stop_timeout: float = 30.0
    """Seconds that `stop` waits for the calls that run."""

    def __post_init__(self) -> None:
        """Raise ConfigurationError for a value that cannot be used."""
        check_queue_name(self.queue_name)
        check(1 <= self.capacity <= MOST_IN_FLIGHT, f"capacity lies between 1 and {MOST_IN_FLIGHT}")

    @property
    def queue(self) -> Queue:
        """The queue as it is declared."""
        return Queue(self.queue_name, self.durable, self.queue_type)


def check_queue_name(name: str) -> None:
    """Raise ConfigurationError unless RabbitMQ takes `name` for a queue."""
    check(0 < len(name.encode()) <= LONGEST_NAME, f"queue_name has 1 to {LONGEST_NAME} bytes")
    check(not name.startswith("amq."), "queue_name cannot begin with amq., which belongs to RabbitMQ")


def check(condition: bool, rule: str) -> None:
    """Raise ConfigurationError, with `rule`, when `condition` does not hold."""
    if not condition:
        raise ConfigurationError(f"The configuration cannot be used: {rule}.")
