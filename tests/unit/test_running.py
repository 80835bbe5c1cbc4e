"""What starts the project says the same as the project itself: Makefile, Procfile, .env.example, compose file."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from honcho import environ

from app.settings import read_settings

PROJECT = Path(__file__).parents[2]
COMPOSE = (PROJECT / "docker-compose.yml").read_text()
ENV_EXAMPLE = (PROJECT / ".env.example").read_text()


class Recorder(dict[str, str]):
    """An environment in which nothing is set, and which remembers what it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: set[str] = set()

    def get(self, name: str, default: str = "") -> str:  # type: ignore[override]
        self.asked.add(name)
        return default


def make(*arguments: str, directory: Path = PROJECT) -> str:
    """What make prints; the make that runs these tests hands nothing down to it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(
        command, cwd=directory, env=environment, check=True, capture_output=True, text=True, timeout=20
    ).stdout


def test_make_lists_every_target() -> None:
    """Whoever types `make` sees each target with a sentence about it, and no other."""
    phony = re.search(r"^\.PHONY: (.*)$", (PROJECT / "Makefile").read_text(), re.MULTILINE)
    assert phony is not None
    listed = dict(re.findall(r"^make (\S+) +(\S.*)$", make(), re.MULTILINE))
    assert set(listed) == set(phony[1].split()) - {"anew"}
    assert make() == make("help")


@pytest.fixture
def ready_checkout(tmp_path: Path) -> Path:
    """A checkout whose environment is complete, as far as make can see."""
    shutil.copy(PROJECT / "Makefile", tmp_path)
    shutil.copytree(PROJECT / "requirements", tmp_path / "requirements")
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").touch(mode=0o755)
    for stamp in ("runtime.stamp", "dev.stamp"):
        (tmp_path / ".venv" / stamp).touch()
    return tmp_path


def test_a_complete_setup_costs_nothing(ready_checkout: Path) -> None:
    """Once the environment is made, make installs nothing, for no target."""
    assert "pip" not in make("-n", "setup", "lint", "demo", directory=ready_checkout)


def test_new_pins_are_installed(ready_checkout: Path) -> None:
    """A pin that changed is installed before anything runs."""
    pins = ready_checkout / "requirements" / "runtime.txt"
    installed = (ready_checkout / ".venv" / "runtime.stamp").stat().st_mtime
    os.utime(pins, (installed + 60, installed + 60))
    assert "-r requirements/runtime.txt" in make("-n", "demo", directory=ready_checkout)


def test_an_environment_without_its_python_is_made_anew(ready_checkout: Path) -> None:
    """When the Python behind .venv was removed, make does not try to run it."""
    python = ready_checkout / ".venv" / "bin" / "python"
    python.unlink()
    python.symlink_to("/nonexistent/python3")
    assert "scripts/make-venv" in make("-n", "demo", directory=ready_checkout)


@pytest.mark.parametrize(
    ("python3", "sentence"),
    [
        pytest.param("exit 1", "Python 3.11 or newer was not found", id="too-old"),
        pytest.param('case "$2" in *ensurepip*) exit 1 ;; esac', "without its venv module", id="no-venv"),
    ],
)
def test_a_python_that_does_not_fit_is_named(python3: str, sentence: str, tmp_path: Path) -> None:
    """Without a Python that can make the environment, one sentence says what to install."""
    (tmp_path / "python3").write_text(f"#!/bin/sh\n{python3}\n")
    (tmp_path / "python3").chmod(0o755)
    run = subprocess.run(
        ["/bin/sh", PROJECT / "scripts" / "make-venv", tmp_path / "venv"],
        env={"PATH": str(tmp_path)},
        check=False,
        capture_output=True,
        text=True,
        timeout=10,
    )
    assert run.returncode == 1
    assert sentence in run.stderr
    assert len(run.stderr.splitlines()) == 1


def test_the_procfile_runs_worker_beat_flower_and_web() -> None:
    """`make up` starts what a Celery user would start by hand, and the web front."""
    processes = environ.parse_procfile((PROJECT / "Procfile").read_text()).processes
    for name in ("worker", "beat", "flower"):
        assert f"celery -A app {name}" in processes[name]
    assert processes["web"] == "exec python -m app.web"


def test_the_example_names_every_variable() -> None:
    """.env.example holds what the settings read and what the compose file needs, nothing else."""
    settings = Recorder()
    read_settings(settings)
    for_compose = set(re.findall(r"\$\{(\w+):\?", COMPOSE))
    assert for_compose
    assert set(re.findall(r"^(\w+)=", ENV_EXAMPLE, re.MULTILINE)) == settings.asked | for_compose


def test_the_example_holds_the_defaults() -> None:
    """A copy of .env.example changes nothing until it is edited."""
    assert read_settings(environ.parse(ENV_EXAMPLE)) == read_settings({})


def test_compose_publishes_on_this_machine_only() -> None:
    """Nobody else on the network reaches a port of the containers."""
    published = re.findall(r'^ *ports: \["(.*)"\]$', COMPOSE, re.MULTILINE)
    assert len(published) == COMPOSE.count(" ports:") > 0
    assert all(port.startswith("127.0.0.1:") for port in published)
