"""The quick rows of the table, and the program that plays them all."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.__main__ import main
from tests.faults.catalogue import ROWS
from tests.faults.finding import Finding
from tests.faults.ledger import OURS, STOCK
from tests.faults.report import Played, as_json, as_markdown, read_json
from tests.faults.stage import Stage

BY_NAME = {row.name: row for row in ROWS}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Stage(tmp_path_factory.mktemp("stage")) as stage:
        yield stage


@pytest.mark.parametrize(("side", "lost", "run_again"), [(STOCK, 5, 0), (OURS, 0, 10)])
def test_a_killed_process_costs_celery_its_task_and_ours_another_run(
    stage: Stage, side: str, lost: int, run_again: int
) -> None:
    """The scene is one that a configuration can fail; ours takes each effect, and once."""
    with stage.scene(side) as scene:
        finding = BY_NAME["children-killed"].play(scene)
    assert finding.figures == {"lost": lost, "doubled_effects": 0, "run_again": run_again}
    assert finding.ok is (side == OURS)


def test_the_program_lists_its_rows_and_refuses_another(capsys: pytest.CaptureFixture[str]) -> None:
    """Each row has a name of its own, to be given to --only."""
    assert main(["--list"]) == 0
    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert listed == [row.name for row in ROWS] == list(BY_NAME)
    with pytest.raises(SystemExit, match="2"):
        main(["--only", "no-such-row"])
    assert "invalid choice: 'no-such-row'" in capsys.readouterr().err


def test_the_table_says_what_was_seen(tmp_path: Path) -> None:
    """A miss in one round is a miss; rounds that differ are both told."""
    findings = {
        STOCK: [Finding(False, "2 lost")],
        OURS: [Finding(True, "0 lost", {"lost": 0}), Finding(False, "1 lost")],
    }
    played = [Played(ROWS[0], findings)]
    assert "| ✗ | worker killed -9: the main process, the whole group | 2 lost | 0 lost · 1 lost |" in as_markdown(
        played, {"celery": "5.7.0"}
    )
    file = tmp_path / "seen.json"
    file.write_text(as_json(played, {"celery": "5.7.0"}))
    assert read_json(file) == (played, {"celery": "5.7.0"})
    document = json.loads(file.read_text())
    assert not document["ok"]
    assert document["rows"][0]["ours"][0]["figures"] == {"lost": 0}
