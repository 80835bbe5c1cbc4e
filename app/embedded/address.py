"""Where the embedded broker of a data folder is found: its folder, its socket, its URL."""

import hashlib
import os
import tempfile
from pathlib import Path
from urllib.parse import quote

from app.embedded.errors import EmbeddedBrokerError
from app.embedded.keeper import SOCKET

SOCKET_PATH_LIMIT = 103
"""Bytes of a Unix socket's path: with the final NUL, macOS has room for 104 and Linux for 108."""


def broker_folder(data_dir: Path) -> Path:
    """The folder in which the broker of `data_dir` has everything that is its own."""
    return data_dir.absolute() / "broker"


def socket_path(data_dir: Path) -> str:
    """The path of the broker's socket as clients use it: it fits into a socket's address, and into a URL as it is."""
    return str(_reachable(broker_folder(data_dir)) / SOCKET)


def url(data_dir: Path) -> str:
    """The URL of the embedded broker of `data_dir`, for Celery's messages and its results; nothing is started."""
    return f"redis+socket://{socket_path(data_dir)}"


def link_short_path(data_dir: Path) -> None:
    """Make the link that `socket_path` leads over, if it does.

    Raises EmbeddedBrokerError when something else is in its place.
    """
    folder = broker_folder(data_dir)
    link = _reachable(folder)
    if link == folder:
        return
    try:
        link.symlink_to(folder)
    except FileExistsError:
        if not (link.is_symlink() and link.readlink() == folder and link.lstat().st_uid == os.getuid()):
            raise EmbeddedBrokerError(
                f"The embedded broker needs {link}, which something else occupies: "
                "remove that, or set DATA_DIR to a shorter path."
            ) from None


def _reachable(folder: Path) -> Path:
    """`folder`, or a link to it where the path of its socket is too long, or is not plain text in a URL."""
    if _is_usable(folder):
        return folder
    name = f"weatherbeat-{os.getuid()}-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]}"
    link = Path(tempfile.gettempdir()) / name
    return link if _is_usable(link) else Path("/tmp") / name  # noqa: S108 - a link that is not ours is refused


def _is_usable(folder: Path) -> bool:
    path = os.fsencode(folder / SOCKET)
    return len(path) <= SOCKET_PATH_LIMIT and quote(path) == os.fsdecode(path)
