"""What a row of the table is, and what was seen."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.faults.scene import Scene


@dataclass(frozen=True)
class Finding:
    """What one side did: whether that meets the target, in words, in figures."""

    ok: bool
    text: str
    figures: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """One fault: its name for --only, what happens, what must be, and how to see it."""

    name: str
    fault: str
    target: str
    play: "Callable[[Scene], Finding]"
    stock: bool = True
    """Whether Celery as it comes has anything to be compared with."""


def counted(ok: bool, **figures: float) -> Finding:
    """A finding of counts, in words: `counted(True, lost=0, run_again=2)` says "0 lost, 2 run again"."""
    return Finding(ok, ", ".join(f"{value:.3g} {name.replace('_', ' ')}" for name, value in figures.items()), figures)
