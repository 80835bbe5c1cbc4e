"""The processes of an embedded broker, as the operating system sees them."""

import contextlib
import fcntl
from pathlib import Path

import psutil
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from app.embedded.address import socket_path
from app.embedded.keeper import KEEPER_LOCK, MEMBERS_LOCK


def processes(data_dir: Path) -> list[psutil.Process]:
    """The keeper and the server of `data_dir`: both work in its folder."""
    return [process for process in psutil.process_iter() if _works_in(data_dir / "broker", process)]


def servers(data_dir: Path) -> list[psutil.Process]:
    """The Valkey servers of `data_dir`; there is never more than one."""
    return [process for process in processes(data_dir) if process.name() == "valkey-server"]


def keepers(data_dir: Path) -> list[psutil.Process]:
    """The keepers of `data_dir`; there is never more than one."""
    return [process for process in processes(data_dir) if process.name() != "valkey-server"]


def has_members(data_dir: Path) -> bool:
    """Whether any process is a member of the broker of `data_dir`."""
    return not _can_lock(data_dir / "broker" / MEMBERS_LOCK)


def has_keeper(data_dir: Path) -> bool:
    """Whether a keeper holds its lock, which a killed one does until its last thread has ended."""
    return not _can_lock(data_dir / "broker" / KEEPER_LOCK)


def client(data_dir: Path) -> "redis.Redis[str]":
    """A client that neither joins nor tries anything twice."""
    return redis.Redis(
        unix_socket_path=socket_path(data_dir),
        decode_responses=True,
        single_connection_client=True,
        retry=Retry(NoBackoff(), 0),
    )


def _can_lock(path: Path) -> bool:
    with path.open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def _works_in(folder: Path, process: psutil.Process) -> bool:
    # Other people's processes cannot be read, and any process may end while it is looked at.
    with contextlib.suppress(psutil.Error, OSError):
        return Path(process.cwd()) == folder.resolve()
    return False
