"""kombu's transport over Redis for the embedded broker: it joins first, and loses no message to a kill.

kombu takes a message off its queue with one command and notes it as unacknowledged with another. A server or a worker
that is killed between the two loses the message (2 in 12 kills of a busy server did), and what a killed worker had
noted waits for the visibility timeout, an hour by default. Here one script does both, and notes for whom; what belongs
to a consumer that is gone goes back to its queue.
"""

# mypy: disable-error-code="attr-defined, misc, union-attr"
# The stubs of kombu leave out nearly everything that this transport consists of.

import time
import uuid
from queue import Empty
from typing import Any

import kombu.transport.redis
from kombu.utils.json import loads

from app.embedded.connections import joining
from app.embedded.installation import DATA_DIRS

OWNERS = "unacked_owners"
"""A hash: the delivery tag of each unacknowledged message, and the consumer that has it."""
ABANDONED_INTERVAL = 5.0
"""Seconds between two looks for messages whose consumer is gone."""

TAKE = """
for place = 4, #KEYS do
    local message, noted = redis.call('RPOP', KEYS[place]), 0
    if message then
        local read, properties = pcall(function() return cjson.decode(message).properties end)
        if read and properties and properties.delivery_tag and properties.delivery_info then
            local tag, target = properties.delivery_tag, properties.delivery_info
            local route = cjson.encode(target.exchange) .. ',' .. cjson.encode(target.routing_key)
            redis.call('HSET', KEYS[1], tag, '[' .. message .. ',' .. route .. ']')
            redis.call('ZADD', KEYS[2], ARGV[1], tag)
            redis.call('HSET', KEYS[3], tag, ARGV[2])
            noted = 1
        end
        return {KEYS[place], message, noted}
    end
end
return false
"""


class QoS(kombu.transport.redis.QoS):
    """kombu's record of what is delivered and not acknowledged, which also knows to whom it was delivered."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._looked = -ABANDONED_INTERVAL

    def append(self, message: Any, delivery_tag: str) -> None:
        """Keep a message that has been delivered, and note it unless it was when it was taken."""
        if delivery_tag == self.channel.noted_tag:
            super(kombu.transport.redis.QoS, self).append(message, delivery_tag)
        else:
            super().append(message, delivery_tag)

    def restore_abandoned(self) -> None:
        """Give back to their queues, now and then, the messages of consumers that are gone."""
        if time.monotonic() - self._looked < ABANDONED_INTERVAL:
            return
        self._looked = time.monotonic()
        with self.channel.conn_or_acquire() as client:
            owners = client.hgetall(OWNERS)  # first: whoever comes after it is in the list of those who are there
            present = {connection["name"].encode() for connection in client.client_list()} if owners else set()
            for tag, owner in owners.items():
                if owner not in present:
                    self.restore_by_tag(tag, client)

    def _remove_from_indices(self, delivery_tag: str, pipe: Any = None) -> Any:
        return super()._remove_from_indices(delivery_tag, pipe).hdel(OWNERS, delivery_tag)


class Channel(kombu.transport.redis.Channel):
    """kombu's channel over Redis; where its broker is the embedded one it joins, and takes messages by a script."""

    QoS = QoS

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._waits = False
        self._owner: str | None = None
        self._kept_client: Any = None
        # kombu has one dictionary for all channels of a process, and walks through it while other threads add to it.
        self._fanout_queues: dict[str, tuple[str, str]] = {}
        self.noted_tag: str | None = None
        self._queues_without_acknowledgement: set[str] = set()
        super().__init__(*arguments, **options)

    @property
    def is_embedded(self) -> bool:
        """Whether this channel leads to an embedded broker, and not to another Redis."""
        return str(self.connection.client.hostname).removeprefix("socket://") in DATA_DIRS

    def _create_client(self, asynchronous: bool = False) -> Any:
        """Make one client for all commands: to make one, as kombu does for each, costs as much as a command."""
        if asynchronous:
            return super()._create_client(asynchronous)
        if self._kept_client is None or self._kept_client.connection_pool is not self.pool:
            self._kept_client = super()._create_client()
        return self._kept_client

    def basic_consume(self, queue: str, no_ack: bool, *arguments: Any, **options: Any) -> Any:
        """Consume from `queue`."""
        if no_ack:
            self._queues_without_acknowledgement.add(queue)
        return super().basic_consume(queue, no_ack, *arguments, **options)

    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:
        return joining(super()._connparams(asynchronous))

    def _brpop_start(self, timeout: float | None = None) -> None:
        """Ask for a message: take one that is there, or, when there was none, wait until one comes."""
        if not self.is_embedded:
            super()._brpop_start(timeout)
        elif queues := self._queue_cycle.consume(len(self.active_queues)):
            self.qos.restore_abandoned()  # not by a timer: a worker with threads has none
            command = self._wait_command(queues[0], timeout) if self._waits else self._take_command(queues)
            self._in_poll = self.client.connection
            self._brpop_sent_at = time.monotonic()
            self.client.connection.send_command(*command)

    def _take_command(self, queues: list[str]) -> list[Any]:
        keys = [self._q_for_pri(queue, priority) for priority in self.priority_steps for queue in queues]
        records = [self.unacked_key, self.unacked_index_key, OWNERS]
        return ["EVAL", TAKE, len(records + keys), *records, *keys, time.time(), self._own_name()]

    def _wait_command(self, queue: str, timeout: float | None) -> list[Any]:
        # It moves a message to where it is. There is no such command for several lists, so a message in another queue,
        # or of another priority, is found when this one has timed out.
        key = self._q_for_pri(queue, self.priority_steps[0])
        return ["BLMOVE", key, key, "RIGHT", "RIGHT", timeout or self.brpop_timeout]

    def _brpop_read(self, **options: Any) -> bool:
        if not self.is_embedded:
            return bool(super()._brpop_read(**options))
        try:
            reply = self._read_reply(options)
        finally:
            self._in_poll = None
        waited, self._waits = self._waits, False
        if waited or reply is None:
            self._waits = not waited
            raise Empty
        self._deliver_from(*reply)
        return True

    def _read_reply(self, options: dict[str, Any]) -> Any:
        try:
            return self.client.parse_response(self.client.connection, "EVAL", **options)
        except self.connection_errors:
            self.client.connection.disconnect()  # so that the next attempt connects again
            raise

    def _deliver_from(self, key: bytes, raw: bytes, noted: int) -> None:
        queue = key.decode().rsplit(self.sep, 1)[0]
        message = loads(raw.decode())
        self.noted_tag = message["properties"]["delivery_tag"] if noted else None
        if queue in self._queues_without_acknowledgement:
            self.qos._remove_from_indices(message["properties"]["delivery_tag"]).execute()
        self._queue_cycle.rotate(queue)
        self.connection._deliver(message, queue)

    def _own_name(self) -> str:
        """The name under which the server knows that this consumer is there: that of a connection kept for it."""
        if self._owner is None:
            name = f"consumer-{uuid.uuid4()}"
            presence = self.pool.get_connection()  # the pool closes it with the channel
            presence.send_command("CLIENT", "SETNAME", name)
            presence.read_response()
            self._owner = name
        return self._owner


class Transport(kombu.transport.redis.Transport):
    """kombu's transport over Redis, over our channel."""

    Channel = Channel
    # Seconds for which a worker waits in one request for a message, and so for its own end; on a socket, asking
    # again costs next to nothing.
    brpop_timeout = 0.2  # type: ignore[assignment]  # the stubs say int; Valkey takes fractions
