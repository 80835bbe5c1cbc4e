"""Files that several processes share: whole or not at all, and one writer at a time."""

import errno
import fcntl
import os
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

POLL_SECONDS: Final = 0.02


@contextmanager
def locked(path: Path, patience: float) -> Iterator[None]:
    """Hold the lock file at `path`, made if need be, against other processes and other threads.

    The system frees it when its holder dies. Raises TimeoutError when it stays taken for `patience` seconds, OSError
    when it cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        deadline = time.monotonic() + patience
        while not _try_lock(descriptor):
            if time.monotonic() >= deadline:
                raise TimeoutError(f"{path} was held by another run for {patience:g} s")
            time.sleep(POLL_SECONDS)
        yield
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """The name of a file to write beside `path`: it takes its place when the block ends well, and is gone if not.

    Raises OSError when `path` is something else than a regular file: a device must not be replaced by one.
    """
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "it is no regular file")
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        yield new
        new.replace(path)
    finally:
        with suppress(FileNotFoundError):
            new.unlink()


@contextmanager
def opened(path: Path, flags: int) -> Iterator[int]:
    """The descriptor of a regular file; anything else (a folder, a device, a pipe that would block) is an OSError."""
    descriptor = os.open(path, flags | os.O_CLOEXEC | os.O_NONBLOCK, 0o644)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file")
        yield descriptor
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
