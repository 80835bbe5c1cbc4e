"""The small models: what they find in the data sent, and what they refuse."""

from typing import Any

import pytest

from app.messaging.errors import MessageRejected
from app.messaging.ml_models import MODELS, classify, cluster, regress
from app.messaging.ml_routing import ModelTask


def task(data: dict[str, Any], **parameters: Any) -> ModelTask:
    return ModelTask("1", "any", data, parameters)


def test_classification_tells_low_from_high() -> None:
    """Numbers near 0 are low, near 1 high, with the learning rate of the documents too."""
    assert classify(task({"classification": [0.01, 0.99]}, random_state=4, cl_lr=5))["classes"] == ["low", "high"]


def test_regression_goes_on_with_a_line() -> None:
    """The next number of 1, 3, 5 is 7."""
    assert regress(task({"regression": [1, 3, 5]}))["next"] == pytest.approx(7)


def test_clustering_finds_the_heaps() -> None:
    """Numbers that lie together are one cluster."""
    found = cluster(task({"clustering": [0, 0.1, 5, 5.1, 10, 10.1]}, random_state=8))["clusters"]
    assert found[0] == found[1] != found[2] == found[3] != found[4] == found[5] != found[0]


@pytest.mark.parametrize("model_type", MODELS)
def test_same_task_gives_the_same_result(model_type: str) -> None:
    """The seed of the task decides, so a task that is handled twice does no harm."""
    same = task({"numbers": [0.5, 0.7, 3.0]}, random_state=8, cl_lr=555)
    assert MODELS[model_type](same) == MODELS[model_type](same)


@pytest.mark.parametrize("model_type", MODELS)
@pytest.mark.parametrize(
    "data",
    [{}, {"a": []}, {"a": "text"}, {"a": True}, {"a": None}, {"a": [[1]]}, {"a": 1e300}],
    ids=str,
)
def test_data_without_usable_numbers_are_refused(model_type: str, data: dict[str, Any]) -> None:
    """No further try would make numbers of them, so the task is rejected for good."""
    with pytest.raises(MessageRejected):
        MODELS[model_type](task(data))


@pytest.mark.parametrize(
    "parameters",
    [{"random_state": -1}, {"random_state": "4"}, {"random_state": 2**32}, {"cl_lr": 0}, {"cl_lr": "fast"}],
    ids=str,
)
def test_unusable_parameters_are_refused(parameters: dict[str, Any]) -> None:
    """A parameter out of range is a sentence, not an error from inside a library."""
    with pytest.raises(MessageRejected, match=r"^(random_state|cl_lr) is a "):
        classify(task({"a": 1}, **parameters))


@pytest.mark.parametrize(
    "value",
    [
        pytest.param([], id="list"),
        pytest.param({"task_id": 1, "model_type": "a", "data": {}}, id="task_id is a number"),
        pytest.param({"task_id": "1", "data": {}}, id="no model_type"),
        pytest.param({"task_id": "1", "model_type": "a", "data": []}, id="data is a list"),
        pytest.param({"task_id": "1", "model_type": "a", "data": {}, "parameters": 1}, id="parameters is a number"),
    ],
)
def test_incomplete_task_is_rejected(value: Any) -> None:
    """A task without its fields is put away at once."""
    with pytest.raises(MessageRejected, match=r"^A model task "):
        ModelTask.from_json(value)
