"""What counts as seen, and that an experiment in which something is lost, doubled or misrouted is wrong."""

from collections.abc import Callable

import pytest

from app.experiments.catalogue import EXPERIMENTS
from app.experiments.run import Run
from app.experiments.trace import RABBITMQ, Told, text
from app.messaging.roles.steps import Action, Step

Change = Callable[[Run], None]


def told(who: str, action: Action, key: str = "", data: object = None, note: str = "") -> Told:
    return Told(who, Step(action, routing_key=key, data=data, note=note))


def played(name: str, *steps: Told, **files: list[str]) -> Run:
    """A run that has come to its end with these steps."""
    run = Run(name, EXPERIMENTS[name], over=True)
    run.trace.cast += [each.who for each in steps if each.step.action == "waiting" and each.who != RABBITMQ]
    run.trace.told += steps
    run.trace.files |= {name.replace("_", "."): lines for name, lines in files.items()}
    return run


def levels() -> Run:
    """The experiment with levels, as it must be."""
    started, details, full = ({"text": words} for words in ("started", "details", "disk full"))
    return played(
        "direct",
        told("screen", "waiting"),
        told("file", "waiting"),
        told("emit", "sent", "info", started),
        told("screen", "handled", "info", started),
        told("emit", "returned", "debug", details),
        told("emit", "sent", "critical", full),
        told("file", "handled", "critical", full),
        told("screen", "handled", "critical", full),
        critical_jsonl=["disk full"],
    )


def lose(run: Run) -> None:
    del run.trace.told[3]


def double(run: Run) -> None:
    run.trace.told.append(run.trace.told[-1])


def misroute(run: Run) -> None:
    run.trace.told.append(told("file", "handled", "info", {"text": "started"}))


def deliver_in_another_order(run: Run) -> None:
    run.trace.told.append(run.trace.told.pop(3))


def swallow(run: Run) -> None:
    run.trace.told[4] = told("emit", "sent", "debug", {"text": "details"})


def write_nothing(run: Run) -> None:
    run.trace.files["critical.jsonl"] = []


def fail(run: Run) -> None:
    run.error = "A role ended."


def stay_open(run: Run) -> None:
    run.over = False


def test_an_experiment_with_what_must_be_seen_is_right() -> None:
    """The order in which different roles tell their steps does not matter."""
    assert levels().ok


@pytest.mark.parametrize(
    "change", [lose, double, misroute, deliver_in_another_order, swallow, write_nothing, fail, stay_open]
)
def test_an_experiment_that_goes_otherwise_is_wrong(change: Change) -> None:
    """Each way in which a broken broker, role or library would show."""
    run = levels()
    change(run)
    assert not run.ok


def test_a_skipped_experiment_is_not_wrong() -> None:
    """It has done nothing."""
    run = Run("models", EXPERIMENTS["models"])
    assert not run.ok
    run.skipped = "scikit-learn is missing."
    assert run.ok


def test_the_most_at_once_is_counted() -> None:
    """A worker that takes a third message before it has finished two is over its capacity."""
    steps = [told("first", "waiting"), *[told("first", "received")] * 2, *[told("first", "handled")] * 2]
    steps += [told("second", "waiting"), *[told("second", "received"), told("second", "handled")] * 3]
    assert played("work", *steps).ok
    steps[2:2] = [told("first", "received")]
    assert played("work", *steps).seen["first"] == {"handled": 2, "at once": 3}


def test_a_message_that_was_not_kept_is_seen() -> None:
    """What RabbitMQ itself says counts as well."""
    kept, lost = (
        [
            told(RABBITMQ, "waiting", note=f"{count} persistent messages in a durable queue"),
            told("late", "waiting"),
            *(told("late", "handled", data={"text": "hello", "number": number}) for number in (1, 2, 3)),
        ]
        for count in (3, 0)
    )
    assert played("durable", *kept).ok
    assert not played("durable", *lost).ok


def test_every_experiment_says_what_it_shows() -> None:
    """In one sentence, on one line."""
    for experiment in EXPERIMENTS.values():
        assert experiment.summary.endswith(".")
        assert experiment.expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param({"text": "hello"}, "hello", id="text"),
        pytest.param({"text": "hello", "number": 3}, "hello 3", id="numbered"),
        pytest.param({"type": "image", "number": 1, "width": 2}, "image 1", id="media"),
        pytest.param({"task_id": "7", "model_type": "x"}, "task 7", id="task"),
        pytest.param({"город": "Москва"}, '{"город": "Москва"}', id="anything"),
        pytest.param(832040, "832040", id="number"),
    ],
)
def test_a_message_is_called_what_a_person_would_call_it(data: object, expected: str) -> None:
    """The text where there is one, else the JSON."""
    assert text(data) == expected


@pytest.mark.parametrize("line", ["", "no JSON", "[]", "{}", '{"who": "a", "what": 1}'])
def test_a_line_that_is_no_step_is_refused(line: str) -> None:
    """With a sentence that shows it."""
    with pytest.raises(ValueError, match="This is no step of a role"):
        Told.from_line(line)
