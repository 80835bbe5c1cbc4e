"""Three nodes of RabbitMQ that are one."""

import signal
from contextlib import ExitStack
from pathlib import Path

from tests.services.process import LocalProcess
from tests.services.rabbitmq import PASSWORD, USER, RabbitMQ

COOKIE = "faults"


class Node(RabbitMQ):
    """A node that joins another when it is started first; they share a port mapper, which outlives them."""

    start_timeout = 180.0  # three machines in one

    def __init__(self, directory: Path, first: "Node | None") -> None:
        super().__init__(directory)
        self._first = first
        if first is not None:
            self.port_mapper = first.port_mapper
        self.environment = {**(self.environment or {}), "ERL_EPMD_PORT": str(self.port_mapper.port)}

    def start(self) -> "Node":
        self.directory.mkdir(parents=True, exist_ok=True)
        cookie = self.directory / ".erlang.cookie"
        if not cookie.exists():
            cookie.write_text(COOKIE)
            cookie.chmod(0o400)
        if self._first is not None:
            nodes = f"[{{rabbit, [{{cluster_nodes, {{['{self._first.node_name}'], disc}}}}]}}].\n"
            (self.directory / "advanced.config").write_text(nodes)
        super().start()
        return self

    def kill(self, signum: signal.Signals = signal.SIGKILL) -> None:
        LocalProcess.kill(self, signum)


class Cluster:
    """Three nodes; `url` names all of them, so that who has lost one goes to the next."""

    def __init__(self, folder: Path) -> None:
        first = Node(folder / "node-1", None)
        self.nodes = [first, Node(folder / "node-2", first), Node(folder / "node-3", first)]
        self.url = ";".join(f"amqp://{USER}:{PASSWORD}@127.0.0.1:{node.port}//" for node in self.nodes)
        self._stack = ExitStack()

    def __enter__(self) -> "Cluster":
        self._stack.callback(self.nodes[0].port_mapper.kill)
        for node in self.nodes:
            self._stack.callback(node.kill)
            try:
                node.start()
            except BaseException:
                self._stack.close()
                raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def leader_of(self, queue: str) -> Node:
        """The node that leads a quorum queue."""
        found = self.nodes[0].api("GET", f"queues/%2F/{queue}").json()
        return next(node for node in self.nodes if node.node_name == found["leader"])

    def members_of(self, queue: str) -> int:
        """On how many nodes a quorum queue is."""
        return len(self.nodes[0].api("GET", f"queues/%2F/{queue}").json().get("members", ()))
