"""A private RabbitMQ node with its management API, away from any node that the machine runs already."""

import contextlib
import os
import re
import shutil
import signal
import socket
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

import pytest
import requests

from tests.services.ports import free_ports
from tests.services.process import LocalProcess

NAME = "rabbitmq-server"
USER = PASSWORD = "guest"  # noqa: S105 - what RabbitMQ gives every new node, for the loopback interface only
AMQP_HEADER = b"AMQP\x00\x00\x09\x01"
# Debian and Homebrew put the server where the PATH of an ordinary user may not lead.
SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin"])

NOT_INSTALLED = "RabbitMQ is not installed"
REMEDY = (
    "install rabbitmq-server (Debian, Ubuntu: apt install rabbitmq-server; macOS: brew install rabbitmq); "
    "it need not run"
)

CONFIGURATION = """\
listeners.tcp.1 = 127.0.0.1:{amqp}
management.tcp.ip = 127.0.0.1
management.tcp.port = {management}
log.console = true
log.file = false
# A test machine that is nearly full must not block the publishers.
disk_free_limit.absolute = 1MB
vm_memory_high_watermark.relative = 0.9
# Counts in the management API are a second old at most, not five: sampled and collected so often.
collect_statistics_interval = 500
management.sample_retention_policies.global.minute = 1
management.sample_retention_policies.basic.minute = 1
management.sample_retention_policies.detailed.minute = 1
"""

# The distribution listens on loopback too; a quorum queue tells its counts once a second, not every five.
ERLANG_ARGUMENTS = "-kernel inet_dist_use_interface {127,0,0,1} -rabbit quorum_tick_interval 1000"


def server_script() -> Path | None:
    """RabbitMQ's own start script, or None where it is not installed."""
    found = shutil.which(NAME, path=SEARCH_PATH)
    if found is None:
        return None
    script = Path(found).resolve()
    # Debian wraps the script: its wrapper wants root and becomes the user rabbitmq, whom our folders do not belong to.
    return script.with_name(NAME) if script.name == "rabbitmq-script-wrapper" else script


def require_server() -> None:
    """Skip the test that calls it where RabbitMQ is not installed; with `CI` set, fail it."""
    if server_script() is None:
        if os.environ.get("CI"):
            pytest.fail(f"{NOT_INSTALLED}: {REMEDY}.")
        pytest.skip(NOT_INSTALLED)


class PortMapper(LocalProcess):
    """Erlang's epmd in the foreground; without one of its own, a node leaves a daemon behind."""

    def __init__(self, directory: Path, port: int) -> None:
        self.port = port
        super().__init__(["epmd", "-address", "127.0.0.1", "-port", str(port)], directory)

    def is_ready(self) -> bool:
        return _answers(self.port, b"")


class RabbitMQ(LocalProcess):
    """One node; ready when it speaks AMQP and its management API answers. It keeps its ports over restarts.

    Any number of nodes can run at once; each has its own name, ports, port mapper, folders, plugins and cookie.
    """

    start_timeout = 60.0
    stop_timeout = 30.0

    def __init__(self, directory: Path) -> None:
        """Prepare a node in `directory`; without RabbitMQ the test is skipped, see `require_server`."""
        require_server()
        script = server_script() or NAME
        self.port, self.management_port, self._distribution_port, epmd_port = free_ports(4)
        self.port_mapper = PortMapper(directory, epmd_port)
        self.node_name = f"test-{uuid.uuid4().hex[:12]}@localhost"
        self.management_url = f"http://127.0.0.1:{self.management_port}"
        self.url = f"amqp://{USER}:{PASSWORD}@127.0.0.1:{self.port}//"
        super().__init__([script], directory, environment=self._environment(directory), name="rabbitmq")

    def start(self) -> "RabbitMQ":
        """Start the port mapper and the node and wait until it is ready."""
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / "enabled_plugins").write_text("[rabbitmq_management].\n")
        (self.directory / "rabbitmq.conf").write_text(
            CONFIGURATION.format(amqp=self.port, management=self.management_port)
        )
        if not self.port_mapper.is_running:
            self.port_mapper.start()
        return super().start()

    def kill(self, signum: signal.Signals = signal.SIGKILL) -> None:
        """End the node as a power cut would, and its port mapper with it."""
        super().kill(signum)
        self.port_mapper.kill(signum)

    def is_ready(self) -> bool:
        if not _answers(self.port, AMQP_HEADER):
            return False
        try:
            return bool(self.api("GET", "overview").json()["node"] == self.node_name)
        except (requests.RequestException, KeyError):  # not listening yet, or not ready to say more than an error
            return False

    def api(self, method: str, path: str, body: object = None) -> requests.Response:
        """Call the management API: `path` is what follows /api/, its parts already quoted."""
        return requests.request(
            method, f"{self.management_url}/api/{path}", json=body, auth=(USER, PASSWORD), timeout=10
        )

    @contextlib.contextmanager
    def vhost(self) -> Iterator["VirtualHost"]:
        """A fresh virtual host, deleted with all that is in it when the block ends."""
        vhost = VirtualHost(self, f"test-{uuid.uuid4().hex[:12]}")
        self.api("PUT", f"vhosts/{vhost.name}").raise_for_status()
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        self.api("PUT", f"permissions/{vhost.name}/{USER}", everything).raise_for_status()
        try:
            yield vhost
        finally:
            if self.is_running:
                self.api("DELETE", f"vhosts/{vhost.name}").raise_for_status()

    def is_kept(self, queue: str, vhost: str = "/") -> bool:
        """Whether a durable queue would be there, with what is in it, after a kill of the node.

        RabbitMQ 3.10 answers a declaration before the last of it is on the disk. The name of a quorum queue follows
        half a second later and, on a busy machine, that the transaction is committed a second later.
        """
        database = self.directory / "mnesia" / self.node_name
        # {resource, VirtualHost, queue, Name}, as Erlang writes a term
        name = re.escape(vhost.encode()) + rb"(d\x00|w)\x05queuem" + re.escape(len(queue).to_bytes(4) + queue.encode())
        log = (database / "LATEST.LOG").read_bytes()
        tables = b"".join(table.read_bytes() for table in database.glob("rabbit_durable_queue.*"))
        if not re.search(name + rb".*committed", log, re.DOTALL) and not re.search(name, tables):
            return False
        if self.api("GET", f"queues/{quote(vhost, safe='')}/{quote(queue, safe='')}").json()["type"] != "quorum":
            return True
        names = (database / "quorum" / self.node_name / "names.dets").read_bytes()
        return f"{quote(vhost, safe='')}_{queue}".encode() in names

    def _environment(self, directory: Path) -> Mapping[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("RABBITMQ_", "ERL_"))}
        return {
            **inherited,
            "HOME": str(directory),  # the Erlang cookie
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self.port_mapper.port),
            "RABBITMQ_CONF_ENV_FILE": str(directory / "rabbitmq-env.conf"),
            "RABBITMQ_CONFIG_FILE": str(directory / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(directory / "advanced.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(directory / "enabled_plugins"),
            "RABBITMQ_NODENAME": self.node_name,
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self._distribution_port),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": ERLANG_ARGUMENTS,
            "RABBITMQ_MNESIA_BASE": str(directory / "mnesia"),
            "RABBITMQ_LOG_BASE": str(directory / "log"),
            "RABBITMQ_LOG": "warning,-color",
            "RABBITMQ_PID_FILE": str(directory / "rabbitmq.pid"),
            # The script then becomes the Erlang machine instead of waiting for it: signals reach the node itself.
            "RUNNING_UNDER_SYSTEMD": "true",
        }


class VirtualHost:
    """One virtual host of a node, and what the management API tells about it."""

    def __init__(self, node: RabbitMQ, name: str) -> None:
        self.node = node
        self.name = name
        self.url = f"amqp://{USER}:{PASSWORD}@127.0.0.1:{node.port}/{name}"

    def queues(self) -> dict[str, dict[str, object]]:
        """Every queue by its name."""
        return self._by_name("queues")

    def exchanges(self) -> dict[str, dict[str, object]]:
        """Every exchange by its name; the default one is named by the empty string."""
        return self._by_name("exchanges")

    def bindings(self) -> list[dict[str, object]]:
        """Every binding, those of the default exchange included."""
        return self._get(f"bindings/{self.name}")

    def connections(self) -> list[dict[str, object]]:
        """Every open connection, as the node last counted them."""
        return self._get(f"vhosts/{self.name}/connections")

    def is_kept(self, queue: str) -> bool:
        """See the node's `is_kept`."""
        return self.node.is_kept(queue, self.name)

    def message_count(self, queue: str) -> int:
        """How many messages are in `queue`, those in delivery included, as it was up to two seconds ago."""
        return int(str(self.queues()[queue].get("messages", 0)))

    def messages(self, queue: str, count: int = 100) -> list[dict[str, object]]:
        """Up to `count` messages at the head of `queue`, which stay there."""
        body = {"count": count, "ackmode": "ack_requeue_true", "encoding": "auto"}
        answer = self.node.api("POST", f"queues/{self.name}/{quote(queue, safe='')}/get", body)
        answer.raise_for_status()
        return list(answer.json())

    def _by_name(self, kind: str) -> dict[str, dict[str, object]]:
        return {str(entry["name"]): entry for entry in self._get(f"{kind}/{self.name}")}

    def _get(self, path: str) -> list[dict[str, object]]:
        answer = self.node.api("GET", path)
        answer.raise_for_status()
        return list(answer.json())


def _answers(port: int, greeting: bytes) -> bool:
    """Whether a server on `port` accepts a connection and, when there is a `greeting`, answers it."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            if greeting:
                connection.sendall(greeting)
                return connection.recv(1) == b"\x01"  # a method frame: the server's Connection.Start
    except OSError:
        return False
    return True
