"""Where clients find the embedded broker: an address that fits, whatever the data folder is called."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from kombu import Connection

from app import embedded
from app.embedded.address import SOCKET_PATH_LIMIT, link_short_path, socket_path

AWKWARD = [
    pytest.param("x" * 200, id="long"),
    pytest.param("weather data", id="space"),
    pytest.param("wetterdaten-münchen", id="not-ascii"),
    pytest.param("50%;a?b#c&d=e+f@g", id="reserved-in-urls"),
]


def test_the_address_lies_in_the_data_folder() -> None:
    """An ordinary data folder contains the socket, at its own path."""
    assert embedded.url(Path("/srv/weather")) == "redis+socket:///srv/weather/broker/valkey.sock"


def test_a_relative_data_folder_has_an_absolute_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that changes its working folder later still finds the broker."""
    monkeypatch.chdir(tmp_path)
    assert embedded.url(Path("var")) == embedded.url(tmp_path / "var")


@pytest.mark.parametrize("name", AWKWARD)
def test_an_awkward_data_folder_has_a_plain_address(name: str, tmp_path: Path) -> None:
    """The socket's path fits into an address of the system, and kombu reads the same path from the URL."""
    url = embedded.url(tmp_path / name)
    assert len(os.fsencode(socket_path(tmp_path / name))) <= SOCKET_PATH_LIMIT
    assert Connection(url).hostname == "socket://" + socket_path(tmp_path / name)
    assert urlsplit(url).path == socket_path(tmp_path / name)


def test_a_long_temporary_folder_is_avoided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system's temporary folder has a long name too, the address is still short enough."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / ("t" * 100)))
    assert len(os.fsencode(socket_path(tmp_path / ("x" * 200)))) <= SOCKET_PATH_LIMIT


def test_asking_for_the_address_makes_nothing(tmp_path: Path) -> None:
    """The URL is known before anything exists."""
    embedded.url(tmp_path / "var")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("occupy", [Path.mkdir, lambda path: path.symlink_to("/")], ids=["folder", "other-link"])
def test_a_link_of_somebody_else_is_refused(
    occupy: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stands where the short link must be is named, and not followed."""
    data_dir = tmp_path / ("x" * 200)
    with tempfile.TemporaryDirectory(dir="/tmp") as temporary:
        monkeypatch.setattr("tempfile.tempdir", temporary)
        link = Path(socket_path(data_dir)).parent
        occupy(link)
        with pytest.raises(embedded.EmbeddedBrokerError, match=f"needs {link}, which something else occupies"):
            link_short_path(data_dir)
