"""WORKFLOWS: every workflow by name, with its parameters and what it must give."""

import ast
import inspect
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from app.workflows import arithmetic, effects, weather
from app.workflows.arithmetic import AnySignature


@dataclass(frozen=True, slots=True)
class Parameter:
    """A number that a workflow can be started with; its type is that of its default."""

    name: str
    default: float
    minimum: float
    maximum: float

    @property
    def type(self) -> str:
        """Its type as JSON Schema names it."""
        return "integer" if isinstance(self.default, int) else "number"

    def check(self, value: object) -> None:
        """Raise ValueError, with a sentence, when `value` is not one for this parameter."""
        is_number = isinstance(value, int if self.type == "integer" else int | float) and not isinstance(value, bool)
        if not (is_number and self.minimum <= value <= self.maximum):  # type: ignore[operator]  # a number by now
            kind = "a whole number" if self.type == "integer" else "a number"
            raise ValueError(f"{self.name} must be {kind} from {self.minimum:g} to {self.maximum:g}.")


@dataclass(frozen=True, slots=True)
class Workflow:
    """A workflow that can be started by name.

    `gives` is the result it must give (of a dictionary, the entries it must have), or the `repr` of the exception
    it must fail with; a function gives it for the workflow's parameters.
    """

    build: Callable[..., AnySignature]
    gives: Any
    parameters: tuple[Parameter, ...] = ()
    in_process: bool = False
    """Called as a function, with no message and no worker."""
    needs: str | None = None
    """The exception that says that something outside could not be reached: the workflow then counts as skipped."""

    @property
    def summary(self) -> str:
        """What it shows, in one sentence."""
        return (self.build.__doc__ or "").strip()

    @property
    def code(self) -> str:
        """The code that builds it, without its signature and docstring."""
        text = textwrap.dedent(inspect.getsource(self.build))
        (function,) = ast.parse(text).body
        assert isinstance(function, ast.FunctionDef)  # noqa: S101 - a builder is a function
        return textwrap.dedent("\n".join(text.splitlines()[function.body[1].lineno - 1 :]))

    @property
    def expected(self) -> Any:
        """What it must give when it is started without parameters."""
        return self.expected_for({})

    def expected_for(self, parameters: Mapping[str, float]) -> Any:
        """What it must give for `parameters`."""
        return self.gives(**self._defaults() | dict(parameters)) if callable(self.gives) else self.gives

    def check(self, parameters: Mapping[str, object]) -> None:
        """Raise ValueError, with a sentence, when it cannot be started with `parameters`."""
        known = {parameter.name: parameter for parameter in self.parameters}
        for name, value in parameters.items():
            if name not in known:
                raise ValueError(f"There is no parameter {name!r} here; there is {', '.join(known) or 'none'}.")
            known[name].check(value)

    def accepts(self, result: Any) -> bool:
        """Whether `result` is what this workflow must give without parameters."""
        return fulfils(result, self.expected)

    def missed(self, result: Any) -> bool:
        """Whether `result` says that what the workflow needs from outside could not be reached."""
        return self.needs is not None and str(result).startswith(f"{self.needs}(")

    def _defaults(self) -> dict[str, float]:
        return {parameter.name: parameter.default for parameter in self.parameters}


def fulfils(result: Any, expected: Any) -> bool:
    """Whether `result` is what was `expected`: of a dictionary, has those entries."""
    if isinstance(expected, dict) and isinstance(result, dict):
        return expected.items() <= result.items()
    return bool(result == expected)


def _sums(size: int) -> list[int]:
    return [number + number for number in range(size)]


def _ten_sums_each(size: int) -> list[list[int]]:
    return [[number + number for number in range(start, min(start + 10, size))] for start in range(0, size, 10)]


SIZE = Parameter("size", 10, 1, 1000)

WORKFLOWS: dict[str, Workflow] = {
    "delay": Workflow(arithmetic.delay, 2),
    "call": Workflow(arithmetic.call, 2, in_process=True),
    "group": Workflow(arithmetic.group_of_sums, _sums, (SIZE,)),
    "chain": Workflow(arithmetic.chain_of_two, 64),
    # Celery makes a chain of a chord with one task in its header.
    "chord": Workflow(arithmetic.chord_of_sums, lambda size: sum(_sums(size)), (Parameter("size", 10, 2, 1000),)),
    "link_error": Workflow(arithmetic.link_error, "RuntimeError('failed')"),
    "link": Workflow(arithmetic.link, "something"),
    "chord_error": Workflow(arithmetic.chord_error, "RuntimeError('failed')"),
    "nested": Workflow(arithmetic.nested, 180),
    "starmap": Workflow(arithmetic.starmap, _sums, (SIZE,)),
    "chunks": Workflow(arithmetic.chunks, _ten_sums_each, (Parameter("size", 100, 11, 1000),)),
    "retry": Workflow(
        arithmetic.retry, lambda failures: f"succeeded at attempt {failures + 1}", (Parameter("failures", 2, 0, 4),)
    ),
    "progress": Workflow(
        arithmetic.progress,
        lambda steps, seconds: steps,
        (Parameter("steps", 40, 1, 1000), Parameter("seconds", 2.0, 0.0, 60.0)),
    ),
    "once": Workflow(effects.once, [10, 10, 10], needs="NoSharedStore"),
    "weather": Workflow(weather.weather, weather.expected, needs="ProviderUnreachable"),
}
