"""The keeper: the process that runs an embedded Valkey server, and ends it when its last member has left.

It is a program of its own, `keeper.py FOLDER SERVER`, so that the server outlives whoever needed it first. It imports
nothing but a little of the standard library, as it stays in memory for as long as anybody works.

Three files of the folder carry the locks (`flock`: the kernel drops them however a process ends):

- `members.lock`: shared by every process that uses the server. The keeper waits for it exclusively; when it gets it,
  the last member has left, and nobody new comes in until the server has ended.
- `keeper.lock`: held by the keeper, which inherits it from the member that starts it: there is one keeper at most.
- `server.lock`: inherited by the server, so that two never work on one folder, also when a keeper was killed.
"""

import contextlib
import ctypes
import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

MEMBERS_LOCK = "members.lock"
KEEPER_LOCK = "keeper.lock"
SERVER_LOCK = "server.lock"
SOCKET = "valkey.sock"
LOG = "valkey.log"
APPEND_ONLY_FOLDER = "appendonlydir"

LOG_LIMIT = 1_000_000
"""Bytes after which a keeper that starts sets the log aside, as `valkey.log.1`."""
SYNC_INTERVAL = 1.0
"""Seconds of work that a power cut may take."""
ANSWER_LIMIT = 1.0
"""Seconds that the server has to answer a command of ours."""

PR_SET_PDEATHSIG = 1
_prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None

OPTIONS = {
    "port": "0",
    "unixsocket": SOCKET,
    "unixsocketperm": "700",
    "save": "",
    "appendonly": "yes",
    "appenddirname": APPEND_ONLY_FOLDER,
    # Every write reaches the kernel before it is answered, so killing the server loses nothing. With "everysec" it
    # may be answered up to two seconds before (Valkey postpones writing while a sync runs), and "always" makes every
    # command wait for the disk. The keeper syncs once a second instead.
    "appendfsync": "no",
    "aof-load-truncated": "yes",
    "maxmemory-policy": "noeviction",
}


def main(folder: str, server: str) -> None:
    """Run `server` in `folder` until the last member has left, a SIGTERM arrives, or the server ends by itself."""
    if os.fork():  # whoever started us need not wait for our end, nor see it as that of a child
        return
    os.chdir(folder)
    Keeper(server).run()


class Keeper:
    """One server, stopped when nobody needs it; when it ends by itself, the next member to connect starts anew."""

    def __init__(self, program: str) -> None:
        self._program = program
        self._server: subprocess.Popen[bytes] | None = None
        self._leaving = threading.Event()

    def run(self) -> None:
        """Serve until nobody needs it, or the server ends."""
        signal.signal(signal.SIGTERM, lambda *_: self._leave())
        threading.Thread(target=self._leave_after_the_last_member, daemon=True).start()
        lock = open_lock(Path(SERVER_LOCK))
        fcntl.flock(lock, fcntl.LOCK_EX)  # waits for as long as the server of a killed keeper goes on
        threading.Thread(target=self._sync_regularly, daemon=True).start()
        if not self._leaving.is_set():
            self._serve(lock)

    def _serve(self, lock: int) -> None:
        """Run a server until its end."""
        arguments = [part for name, value in OPTIONS.items() for part in (f"--{name}", value)]
        self._server = subprocess.Popen(
            [self._program, *arguments],
            pass_fds=(lock,),
            preexec_fn=_end_with_the_keeper,  # noqa: PLW1509 - no thread of ours holds a lock that it could need
        )
        if self._leaving.is_set():
            self._server.terminate()
        self._server.wait()

    def _leave_after_the_last_member(self) -> None:
        members = open_lock(Path(MEMBERS_LOCK))
        fcntl.flock(members, fcntl.LOCK_EX)  # kept until this process ends, which is after the server
        self._leave()

    def _leave(self) -> None:
        self._leaving.set()
        with contextlib.suppress(OSError):
            ask(SOCKET, "SHUTDOWN")  # done at once, and also by the server of a killed keeper
        if self._server is not None:
            self._server.terminate()  # one that does not answer yet

    def _sync_regularly(self) -> None:
        since = 0.0
        while not self._leaving.wait(SYNC_INTERVAL):
            now = time.time()
            with contextlib.suppress(OSError):  # a file that a rewrite has just replaced
                _sync_changed(Path(APPEND_ONLY_FOLDER), since)
                since = now - SYNC_INTERVAL  # the times of files are coarse: better once too often


def _sync_changed(folder: Path, since: float) -> None:
    """Bring the files of `folder` that changed after `since`, in seconds since the epoch, to the disk."""
    for path in folder.iterdir():
        if path.stat().st_mtime >= since:
            with path.open("rb") as file:
                os.fsync(file.fileno())


def _end_with_the_keeper() -> None:
    """In the server's process: have Linux end it when the keeper is killed; elsewhere the next keeper takes it over.

    At once, which loses nothing: a server that is about to end still answers, and would deceive whoever joins.
    """
    if _prctl is not None:
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def ask(path: str, command: str) -> bytes:
    """The first bytes of what the server behind the socket `path` answers to `command`; OSError when it does not."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(ANSWER_LIMIT)
        connection.connect(path)
        connection.sendall(f"{command}\r\n".encode())
        return connection.recv(64)


def open_lock(path: Path) -> int:
    """A descriptor of the lock file `path`, made when it is missing; programs that are started do not inherit it."""
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


if __name__ == "__main__":
    main(*sys.argv[1:])
