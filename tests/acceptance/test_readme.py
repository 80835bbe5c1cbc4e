"""README says what is so."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from app.settings import read_settings
from app.workflows.catalogue import WORKFLOWS

PROJECT = Path(__file__).parents[2]
README = (PROJECT / "README.md").read_text()


@pytest.mark.timeout(90)
def test_the_capture_is_what_the_demo_prints() -> None:
    """A program has put it there; this runs the demo again and compares all but ids and times."""
    done = subprocess.run(
        [sys.executable, "scripts/capture.py", "--check"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=80,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_every_path_that_it_names_exists() -> None:
    """The map and the links lead somewhere."""
    named = set(re.findall(r"`((?:app|tasks|tests|docs|bench)/[\w/.]*)`|\]\(((?!http)[^)]+)\)", README))
    missing = [path for pair in named for path in pair if path and not _exists(path)]
    assert not missing


def test_the_example_of_places_is_one_that_settings_take() -> None:
    """Copied as it stands, it works."""
    (places,) = re.findall(r'WEATHER_PLACES="([^"]+)"', README)
    assert [name for name, _, _ in read_settings({"WEATHER_PLACES": places}).weather_places][-1] == "Tokyo"


def test_the_changelog_counts_the_workflows() -> None:
    """Fifteen, in words."""
    assert len(WORKFLOWS) == 15
    assert "fifteen Celery workflows" in (PROJECT / "CHANGELOG.md").read_text()


def _exists(path: str) -> bool:
    return (PROJECT / path).exists() or (PROJECT / f"{path}.py").exists()
