"""The services of the tests themselves: each starts, answers, is killed, comes back, and leaves nothing."""

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import amqp
import psutil
import pytest

from tests.services import leftovers, ports, rabbitmq
from tests.services.celery import Beat, Flower, Worker
from tests.services.process import LocalProcess, ServiceError
from tests.services.rabbitmq import RabbitMQ, VirtualHost
from tests.services.valkey import Valkey
from tests.waiting import wait_until

PROJECT = Path(__file__).parents[2]
LOOPBACK = {"127.0.0.1", "::1"}


def shell(script: str, directory: Path) -> LocalProcess:
    return LocalProcess(["/bin/sh", "-c", script], directory)


def embedded(directory: Path) -> dict[str, str]:
    return {"DATA_DIR": str(directory / "data")}


SERVICES: dict[str, Callable[[Path], LocalProcess]] = {
    "valkey": lambda directory: Valkey(directory / "valkey"),
    "rabbitmq": lambda directory: RabbitMQ(directory / "rabbitmq"),
    "worker": lambda directory: Worker(directory / "worker", embedded(directory)),
    "beat": lambda directory: Beat(directory / "beat", embedded(directory)),
    "flower": lambda directory: Flower(directory / "flower", embedded(directory)),
}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("make", SERVICES.values(), ids=SERVICES.keys())
def test_a_service_comes_back_after_a_kill_and_leaves_nothing(
    make: Callable[[Path], LocalProcess], tmp_path: Path
) -> None:
    """A service is ready when it has started, also after a kill; once stopped, no process of it is left."""
    service = make(tmp_path)
    with service:
        assert service.is_ready()
        service.kill()
        assert service.exit_code == -signal.SIGKILL
        service.restart()
        assert service.is_ready()
    assert service.exit_code == 0
    wait_until(lambda: not leftovers.processes_of_run("", tmp_path), 15, "no process works in the service's folder")


def test_a_port_is_given_to_one_process_only() -> None:
    """A port that this process was given is not given to another one, though nothing listens on it yet."""
    claimed = ports.free_ports(20)
    (unclaimed,) = ports.free_ports(1)
    ports._claims.pop().close()
    script = f"from tests.services import ports; ports.RANGE = {[*claimed, unclaimed]}; print(*ports.free_ports(1))"
    other = subprocess.run([sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert other.stdout.split() == [str(unclaimed)]


def test_servers_listen_on_the_loopback_interface_only(rabbitmq: RabbitMQ, valkey: Valkey) -> None:
    """Nobody else on the network reaches the servers of the tests."""
    for server in (rabbitmq, rabbitmq.port_mapper, valkey):
        connections = psutil.Process(server.pid).net_connections(kind="inet")
        assert {connection.laddr.ip for connection in connections if connection.status == "LISTEN"} <= LOOPBACK


def test_a_start_that_fails_shows_the_log(tmp_path: Path) -> None:
    """A service that ends before it is ready says so, with its exit code and the end of its log."""

    class Unready(LocalProcess):
        def is_ready(self) -> bool:
            return False

    with pytest.raises(ServiceError, match=r"(?s)exit code 3 before it was ready.*no such luck"):
        Unready(["/bin/sh", "-c", "echo no such luck; exit 3"], tmp_path).start()


def test_a_service_that_never_gets_ready_is_ended(tmp_path: Path) -> None:
    """A service that does not answer in time is reported and killed."""

    class Unready(LocalProcess):
        start_timeout = 0.1

        def is_ready(self) -> bool:
            return False

    service = Unready(["sleep", "60"], tmp_path)
    with pytest.raises(ServiceError, match=r"sleep was not ready within 0\.1 s"):
        service.start()
    assert not service.is_running


def test_stop_ends_what_does_not_want_to_end(tmp_path: Path) -> None:
    """A process that ignores the stop signal is killed, and so is the child that it started."""
    service = shell("trap '' TERM; sleep 60 & echo started; wait", tmp_path)
    service.stop_timeout = 0.2
    with service:
        wait_until(lambda: "started" in service.log(), 5, "the shell has started its child")
        processes = [psutil.Process(service.pid), *psutil.Process(service.pid).children()]
        assert len(processes) == 2
    psutil.wait_procs(processes, timeout=5)
    assert not any(process.is_running() for process in processes)


def test_a_stopped_service_may_be_stopped_again(tmp_path: Path) -> None:
    """Stopping twice, or before the start, is no error."""
    service = shell("sleep 60", tmp_path)
    service.stop()
    service.start()
    service.stop()
    service.stop()
    assert not service.is_running


def test_the_log_goes_on_over_a_restart(tmp_path: Path) -> None:
    """The log keeps what earlier starts wrote; what counts for the readiness is what this one writes."""
    with shell("echo started; sleep 60", tmp_path) as service:
        wait_until(lambda: service.log() == "started\n", 5, "the first start is in the log")
        service.restart()
        wait_until(lambda: service.log() == "started\nstarted\n", 5, "both starts are in the log")
        assert service.log_of_this_start() == "started\n"


def test_a_service_is_not_started_twice(tmp_path: Path) -> None:
    """A second start would lose the first process; it is refused."""
    with shell("sleep 60", tmp_path) as service, pytest.raises(ServiceError, match="is running already"):
        service.start()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda how: how.name)
def test_a_run_that_is_ended_leaves_nothing(how: signal.Signals, tmp_path: Path) -> None:
    """What a run of the tests has started ends with it, also when the run is killed."""
    program = """
import signal, sys, time
from pathlib import Path
from tests.services import leftovers
from tests.services.process import LocalProcess
folder = Path(sys.argv[1])
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell lets its background jobs ignore it
with leftovers.watched(folder), LocalProcess(["sleep", "60"], folder / "sleep") as service:
    print(service.pid, flush=True)
    time.sleep(60)
"""
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(
        command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    ) as run:
        assert run.stdout
        service = psutil.Process(int(run.stdout.readline()))
        run.send_signal(how)
        run.wait(10)
    wait_until(lambda: not service.is_running(), 10, "the service of the killed run has ended")


def test_valkey_keeps_what_it_acknowledged(tmp_path: Path) -> None:
    """With its append-only file, a server that is killed has every acknowledged value when it comes back."""
    with Valkey(tmp_path, append_only=True) as server:
        with server.client() as client:
            client.set("key", "value")
        server.kill()
        server.restart()
        with server.client() as client:
            assert client.get("key") == "value"


def test_a_vhost_is_empty_and_gone_afterwards(rabbitmq: RabbitMQ) -> None:
    """A fresh virtual host has no queue and only RabbitMQ's own exchanges; after its block it is deleted."""
    with rabbitmq.vhost() as vhost:
        assert vhost.queues() == {}
        assert {name.partition(".")[0] for name in vhost.exchanges()} == {"", "amq"}
        assert rabbitmq.api("GET", f"vhosts/{vhost.name}").ok
    assert rabbitmq.api("GET", f"vhosts/{vhost.name}").status_code == 404


def test_the_management_api_shows_messages(vhost: VirtualHost) -> None:
    """A published message is counted and can be looked at, and stays where it is."""
    with amqp.Connection(f"127.0.0.1:{vhost.node.port}", virtual_host=vhost.name, confirm_publish=True) as connection:
        channel = connection.channel()
        channel.queue_declare("a queue", durable=True, auto_delete=False)
        channel.basic_publish_confirm(amqp.Message("hello"), routing_key="a queue")
        for _ in range(2):
            assert [message["payload"] for message in vhost.messages("a queue")] == ["hello"]
        wait_until(lambda: vhost.message_count("a queue") == 1, 10, "the management API counts the message")
        wait_until(lambda: len(vhost.connections()) == 1, 10, "the management API lists the connection")


@pytest.mark.parametrize(("ci", "outcome"), [("", pytest.skip.Exception), ("true", pytest.fail.Exception)])
def test_without_rabbitmq_a_laptop_skips_and_ci_fails(
    ci: str, outcome: type[BaseException], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where RabbitMQ is not installed one sentence says so; only where `CI` is not set may that be."""
    monkeypatch.setattr(rabbitmq, "SEARCH_PATH", str(tmp_path))
    monkeypatch.setenv("CI", ci)
    with pytest.raises((pytest.skip.Exception, pytest.fail.Exception), match="RabbitMQ is not installed") as raised:
        RabbitMQ(tmp_path)
    assert raised.type is outcome


def test_waiting_names_what_never_came_true() -> None:
    """A condition that does not come true in time fails with its limit and its description."""
    with pytest.raises(AssertionError, match=r"Waited 0\.05 s, .*: pigs fly"):
        wait_until(lambda: False, 0.05, "pigs fly")


def test_waiting_gives_what_it_waited_for() -> None:
    """The answer that ended the waiting is returned."""
    answers = iter([None, 0, "", "there"])
    assert wait_until(lambda: next(answers), 5, "an answer that is true") == "there"
