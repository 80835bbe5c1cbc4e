"""The embedded broker: one server for all who need it, gone with the last of them, and nothing acknowledged is lost."""

import contextlib
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import psutil
import pytest
import redis

from app import embedded
from app.embedded import keeper
from app.embedded.address import socket_path
from tests.services.embedded import client, has_keeper, has_members, keepers, processes, servers
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(30)

PROJECT = Path(__file__).parents[2]
LIMIT = 10.0

MEMBER = """
import ast, os, signal, subprocess, sys, threading
from pathlib import Path
from app import embedded
data_dir = Path(sys.argv[1])
print("ready", flush=True)
for line in sys.stdin:
    exec(ast.literal_eval(line))
    print("done", flush=True)
"""


class Member:
    """Another process, which runs the Python it is told, and may so become a member."""

    def __init__(self, data_dir: Path) -> None:
        command = [sys.executable, "-c", MEMBER, str(data_dir)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=PROJECT, text=True)
        self._wait_for("ready")

    def begin(self, code: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(f"{code!r}\n")
        self.process.stdin.flush()

    def finish(self) -> None:
        self._wait_for("done")

    def do(self, code: str) -> None:
        self.begin(code)
        self.finish()

    def join(self) -> Self:
        self.do("embedded.join(data_dir)")
        return self

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children()

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.communicate(timeout=LIMIT)

    def _wait_for(self, answer: str) -> None:
        assert self.process.stdout
        assert self.process.stdout.readline().strip() == answer


@pytest.fixture
def data_dir(tmp_path: Path) -> Iterator[Path]:
    """A data folder whose broker must be gone after the test."""
    folder = tmp_path / "var"
    yield folder
    embedded.leave(folder)
    wait_until(lambda: not processes(folder), LIMIT, "no process of the broker is left")


@pytest.fixture
def start_member(data_dir: Path) -> Iterator[Callable[[], Member]]:
    """Start processes that may become members; they end with the test."""
    members: list[Member] = []

    def start() -> Member:
        members.append(Member(data_dir))
        return members[-1]

    yield start
    for member in members:
        member.end()
        for pipe in (member.process.stdin, member.process.stdout):
            assert pipe
            pipe.close()


class Counting(threading.Thread):
    """A client that counts in the broker, one command after the other, until the broker is gone or it is stopped."""

    def __init__(self, data_dir: Path) -> None:
        super().__init__()
        self.answered = 0
        self._client = client(data_dir)
        self._stopped = threading.Event()
        self.start()

    def run(self) -> None:
        with contextlib.closing(self._client), contextlib.suppress(redis.ConnectionError):
            while not self._stopped.is_set():
                self.answered = int(self._client.incr("count"))

    def stop(self) -> None:
        self._stopped.set()
        self.join(LIMIT)


def leave_and_wait(data_dir: Path) -> None:
    embedded.leave(data_dir)
    wait_until(lambda: not processes(data_dir), LIMIT, "the server and its keeper end with the last member")


def kill(victims: list[psutil.Process], data_dir: Path) -> None:
    for process in victims:
        with contextlib.suppress(psutil.NoSuchProcess):  # a server ends by itself when its keeper is killed
            process.kill()
    wait_until(lambda: not any(map(lives, victims)), LIMIT, "the killed processes are gone")
    wait_until(lambda: has_keeper(data_dir) == bool(keepers(data_dir)), LIMIT, "nobody holds the lock of a dead keeper")


def lives(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.status() != psutil.STATUS_ZOMBIE
    return False


def ask(data_dir: Path, *command: str) -> object:
    with contextlib.closing(client(data_dir)) as connection:
        return connection.execute_command(*command)


def test_five_processes_that_start_at_once_share_one_server(data_dir: Path, start_member: Callable[[], Member]) -> None:
    """Whoever needs the broker first starts it, and everyone else joins, also in the same instant."""
    members = [start_member() for _ in range(5)]
    for member in members:
        member.begin("embedded.join(data_dir)")
    for member in members:
        member.finish()
    assert (len(keepers(data_dir)), len(servers(data_dir))) == (1, 1)


def test_threads_of_one_process_share_one_membership(data_dir: Path) -> None:
    """However many threads join, and however often, the process is a member once."""
    threads = [threading.Thread(target=embedded.join, args=(data_dir,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(keepers(data_dir)), len(servers(data_dir))) == (1, 1)
    leave_and_wait(data_dir)


def test_the_server_ends_with_its_last_member(data_dir: Path, start_member: Callable[[], Member]) -> None:
    """The broker outlives the process that started it, and is gone when the last one has left."""
    first, second = start_member().join(), start_member().join()
    first.end()
    assert has_members(data_dir)
    assert ask(data_dir, "PING")
    second.end()
    wait_until(lambda: not processes(data_dir), LIMIT, "the server and its keeper end")


def test_joining_while_the_server_ends_gives_a_new_one(data_dir: Path) -> None:
    """Leaving and joining in quick succession never meets a server that is about to go."""
    for count in range(1, 11):
        embedded.join(data_dir)
        assert ask(data_dir, "INCR", "count") == count
        embedded.leave(data_dir)


KILLED: dict[str, Callable[[Member, Path], list[psutil.Process]]] = {
    "member": lambda member, _: [psutil.Process(member.process.pid)],
    "server": lambda _, data_dir: servers(data_dir),
    "keeper": lambda _, data_dir: keepers(data_dir),
    "keeper-and-server": lambda _, data_dir: processes(data_dir),
    "all": lambda member, data_dir: [psutil.Process(member.process.pid), *processes(data_dir)],
}


@pytest.mark.parametrize("killed", KILLED.values(), ids=KILLED)
def test_acknowledged_work_survives_a_kill(
    killed: Callable[[Member, Path], list[psutil.Process]], data_dir: Path, start_member: Callable[[], Member]
) -> None:
    """Whoever is killed while work comes in: the next start works, and every answered command is still there."""
    member = start_member().join()
    counting = Counting(data_dir)
    wait_until(lambda: counting.answered > 100, LIMIT, "work comes in")
    kill(killed(member, data_dir), data_dir)
    embedded.join(data_dir)
    counting.stop()
    # The command that was under way may have been done without being answered.
    assert int(str(ask(data_dir, "GET", "count"))) in (counting.answered, counting.answered + 1)


@pytest.mark.parametrize("killed", [servers, keepers, processes], ids=["server", "keeper", "both"])
def test_a_member_has_its_broker_back_when_it_joins_again(
    killed: Callable[[Path], list[psutil.Process]], data_dir: Path
) -> None:
    """A process that stays gets on with its next connection, as often as its broker is killed."""
    for count in range(1, 4):
        embedded.join(data_dir)
        assert ask(data_dir, "INCR", "count") == count
        kill(killed(data_dir), data_dir)


def test_the_server_of_a_killed_keeper_is_taken_over(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system does not end a server with its keeper, the next keeper ends it with the last member."""
    source = Path(keeper.__file__).read_text()
    assert "preexec_fn=_end_with_the_keeper" in source
    data_dir.mkdir()
    program = data_dir / "keeper.py"
    program.write_text(source.replace("preexec_fn=_end_with_the_keeper", "preexec_fn=None"))
    with monkeypatch.context() as patched:
        patched.setattr(keeper, "__file__", str(program))
        embedded.join(data_dir)
    (server,) = servers(data_dir)
    kill(keepers(data_dir), data_dir)
    embedded.join(data_dir)
    assert has_keeper(data_dir)
    assert servers(data_dir) == [server]
    leave_and_wait(data_dir)


def test_a_keeper_that_is_told_to_end_takes_its_server_along(data_dir: Path) -> None:
    """A shutdown of the machine ends the server in good order, and whoever is still there gets a new one."""
    embedded.join(data_dir)
    ask(data_dir, "SET", "kept", "yes")
    (process,) = keepers(data_dir)
    process.send_signal(signal.SIGTERM)
    wait_until(lambda: not processes(data_dir), LIMIT, "both end")
    embedded.join(data_dir)
    assert ask(data_dir, "GET", "kept") == "yes"


def test_a_torn_end_of_the_append_only_file_is_no_obstacle(data_dir: Path) -> None:
    """A power cut may leave half a command; what comes before it is there."""
    embedded.join(data_dir)
    ask(data_dir, "SET", "kept", "yes")
    leave_and_wait(data_dir)
    (log,) = (data_dir / "broker" / keeper.APPEND_ONLY_FOLDER).glob("*.incr.aof")
    with log.open("ab") as file:
        file.write(b"*3\r\n$3\r\nSET\r\n$4\r\nto")
    embedded.join(data_dir)
    assert ask(data_dir, "GET", "kept") == "yes"


def test_a_forked_child_is_a_member(data_dir: Path, start_member: Callable[[], Member]) -> None:
    """The pool of a worker may outlive it, so the broker stays for it too."""
    member = start_member().join()
    member.do("os.fork() or (os.closerange(0, 3), signal.pause())")
    (child,) = member.children()
    member.end()
    assert has_members(data_dir)
    assert len(servers(data_dir)) == 1
    child.kill()
    wait_until(lambda: not processes(data_dir), LIMIT, "the server ends with the child")


def test_a_process_that_forks_while_it_joins_has_a_sound_child(
    data_dir: Path, start_member: Callable[[], Member]
) -> None:
    """A child that is forked in the middle of a join neither hangs nor keeps a lock that is not its own."""
    member = start_member()
    member.do("joining = threading.Thread(target=embedded.join, args=(data_dir,))\njoining.start()")
    member.do("os.fork() or (os.closerange(0, 3), embedded.join(data_dir), os._exit(0))\nassert os.wait()[1] == 0")
    member.do("joining.join()")
    assert (len(keepers(data_dir)), len(servers(data_dir))) == (1, 1)


def test_a_program_that_a_member_starts_is_no_member(data_dir: Path, start_member: Callable[[], Member]) -> None:
    """What a member has started does not keep the broker alive."""
    member = start_member().join()
    member.do("subprocess.Popen(['sleep', '60'], close_fds=False, stdin=-3, stdout=-3)")
    (program,) = member.children()
    member.end()
    wait_until(lambda: not processes(data_dir), LIMIT, "the server ends with the member")
    assert program.is_running()
    program.kill()


def test_a_daemon_that_closed_its_files_joins_again(data_dir: Path, start_member: Callable[[], Member]) -> None:
    """A process that turned into a daemon has lost its membership without knowing, and gets a new one."""
    member = start_member().join()
    member.do("os.closerange(3, 100)\nkept_open = [open(os.devnull) for _ in range(20)]")
    member.join()
    assert has_members(data_dir)
    member.do("assert all(os.path.samestat(os.fstat(file.fileno()), os.stat(os.devnull)) for file in kept_open)")


def test_a_data_folder_that_was_removed_is_made_anew(data_dir: Path) -> None:
    """A user who clears the data folder under a running process has a fresh broker, and the old one ends."""
    embedded.join(data_dir)
    ask(data_dir, "SET", "kept", "yes")
    old = processes(data_dir)
    (data_dir / "broker").rename(data_dir / "removed")
    embedded.join(data_dir)
    assert ask(data_dir, "GET", "kept") is None
    wait_until(lambda: not any(map(lives, old)), LIMIT, "the old keeper and server end")


@pytest.mark.parametrize("name", ["x" * 200, "weather data", "50%;a?b#c"], ids=["long", "space", "reserved"])
def test_any_data_folder_will_do(name: str, tmp_path: Path) -> None:
    """The broker works in a folder whose path is too long for a socket, or odd in a URL."""
    folder = tmp_path / name
    embedded.join(folder)
    link = Path(socket_path(folder)).parent
    assert link.is_symlink()
    assert (folder / "broker" / keeper.SOCKET).is_socket()
    assert ask(folder, "PING")
    link.unlink()
    embedded.join(folder)
    assert ask(folder, "PING")
    leave_and_wait(folder)
    link.unlink()


def test_two_data_folders_are_two_brokers(data_dir: Path, tmp_path: Path) -> None:
    """What is in the one is not in the other, and the one ends without the other."""
    other = tmp_path / "other"
    embedded.join(data_dir)
    embedded.join(other)
    ask(data_dir, "SET", "kept", "yes")
    assert ask(other, "GET", "kept") is None
    leave_and_wait(other)
    assert ask(data_dir, "GET", "kept") == "yes"


def test_the_broker_belongs_to_its_user_alone(data_dir: Path) -> None:
    """Nobody else gets at the folder or the socket, also when the folder was there with wider rights."""
    (data_dir / "broker").mkdir(mode=0o755, parents=True)
    embedded.join(data_dir)
    for path in (data_dir / "broker", Path(socket_path(data_dir))):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_the_server_has_no_port(data_dir: Path) -> None:
    """Nothing of it can be reached over a network."""
    embedded.join(data_dir)
    assert [process.net_connections("inet") for process in processes(data_dir)] == [[], []]


def test_a_long_log_is_set_aside(data_dir: Path) -> None:
    """The log of years does not fill the disk."""
    log = data_dir / "broker" / keeper.LOG
    log.parent.mkdir(parents=True)
    log.write_bytes(b"x" * (keeper.LOG_LIMIT + 1))
    embedded.join(data_dir)
    assert log.stat().st_size < keeper.LOG_LIMIT
    assert log.with_name("valkey.log.1").stat().st_size > keeper.LOG_LIMIT


def test_a_folder_that_cannot_be_used_is_reported(tmp_path: Path) -> None:
    """A file where the folder must be gives one sentence with the folder and the reason."""
    (tmp_path / "broker").touch()
    with pytest.raises(embedded.EmbeddedBrokerError, match=rf"cannot work in {tmp_path}/broker: File exists\.$"):
        embedded.join(tmp_path)


def test_a_server_that_cannot_start_is_reported(data_dir: Path) -> None:
    """Data that Valkey refuses gives one sentence with the log that says why, and leaves no process."""
    damaged = data_dir / "broker" / keeper.APPEND_ONLY_FOLDER / "appendonly.aof.manifest"
    damaged.parent.mkdir(parents=True)
    damaged.write_text("nonsense\n")
    log = data_dir / "broker" / keeper.LOG
    with pytest.raises(embedded.EmbeddedBrokerError, match=rf"did not start: {log} says why\.$"):
        embedded.join(data_dir)
    assert "nvalid AOF manifest file format" in log.read_text()


def test_a_server_that_does_not_answer_is_reported(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that hangs gives one sentence, after a time, and works again when it goes on."""
    embedded.join(data_dir)
    (server,) = servers(data_dir)
    server.suspend()
    with monkeypatch.context() as patched:
        patched.setattr("app.embedded.membership.START_LIMIT", 0.2)
        patched.setattr("app.embedded.keeper.ANSWER_LIMIT", 0.1)
        with pytest.raises(embedded.EmbeddedBrokerError, match=r"has not answered for 0\.2 seconds"):
            embedded.join(data_dir)
    server.resume()
    embedded.join(data_dir)
