"""WORKFLOWS: every workflow by name, with what it must give."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from app.workflows import arithmetic, effects, weather
from app.workflows.arithmetic import AnySignature


@dataclass(frozen=True, slots=True)
class Workflow:
    """A workflow that can be started by name.

    `expected` is the result it must give (of a dictionary, the entries it must have), or the `repr` of the exception
    it must fail with.
    """

    build: Callable[[], AnySignature]
    expected: Any
    in_process: bool = False
    """Called as a function, with no message and no worker."""
    needs: str | None = None
    """The exception that says that something outside could not be reached: the workflow then counts as skipped."""

    @property
    def summary(self) -> str:
        """What it shows, in one sentence."""
        return (self.build.__doc__ or "").strip()

    def accepts(self, result: Any) -> bool:
        """Whether `result` is what this workflow must give."""
        if isinstance(self.expected, dict) and isinstance(result, dict):
            return self.expected.items() <= result.items()
        return bool(result == self.expected)

    def missed(self, result: Any) -> bool:
        """Whether `result` says that what the workflow needs from outside could not be reached."""
        return self.needs is not None and str(result).startswith(f"{self.needs}(")


def _sums(numbers: range) -> list[int]:
    return [number + number for number in numbers]


WORKFLOWS: dict[str, Workflow] = {
    "delay": Workflow(arithmetic.delay, 2),
    "call": Workflow(arithmetic.call, 2, in_process=True),
    "group": Workflow(arithmetic.group_of_sums, _sums(range(10))),
    "chain": Workflow(arithmetic.chain_of_two, 64),
    "chord": Workflow(arithmetic.chord_of_sums, 90),
    "link_error": Workflow(arithmetic.link_error, "RuntimeError('failed')"),
    "link": Workflow(arithmetic.link, "something"),
    "chord_error": Workflow(arithmetic.chord_error, "RuntimeError('failed')"),
    "nested": Workflow(arithmetic.nested, 180),
    "starmap": Workflow(arithmetic.starmap, _sums(range(10))),
    "chunks": Workflow(arithmetic.chunks, [_sums(range(start, start + 10)) for start in range(0, 100, 10)]),
    "retry": Workflow(arithmetic.retry, "succeeded at attempt 3"),
    "progress": Workflow(arithmetic.progress, 40),
    "once": Workflow(effects.once, [10, 10, 10], needs="NoSharedStore"),
    "weather": Workflow(weather.weather, weather.expected(), needs="ProviderUnreachable"),
}
