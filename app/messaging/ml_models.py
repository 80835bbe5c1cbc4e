"""Small models on the numbers that a model task carries, with scikit-learn (the extra `ml`)."""

import math
from collections.abc import Mapping
from typing import Any

from app.messaging.errors import MessageRejected
from app.messaging.ml_routing import ModelTask

MOST_CLUSTERS = 3
LARGEST_SEED = 2**32 - 1
"""The largest seed that NumPy takes."""


def classify(task: ModelTask) -> dict[str, Any]:
    """Say of each number in the data whether it is nearer to a sample around 0 or to one around 1, and how surely.

    The model is a linear classifier, trained on those samples with the learning rate `cl_lr` and the seed
    `random_state`. Raises MessageRejected for data or parameters that cannot be used.
    """
    from sklearn.datasets import make_blobs
    from sklearn.linear_model import SGDClassifier

    numbers, seed, rate = _numbers(task.data), _seed(task), _positive(task.parameters, "cl_lr", 1.0)
    samples, labels = make_blobs(n_samples=200, centers=[[0.0], [1.0]], cluster_std=0.15, random_state=seed)
    model = SGDClassifier(loss="log_loss", learning_rate="constant", eta0=rate, average=True, random_state=seed)
    model.fit(samples, labels)
    sure = model.predict_proba([[number] for number in numbers])[:, 1]
    return {
        "classes": ["high" if share >= 0.5 else "low" for share in sure],
        "probability_of_high": [round(float(share), 4) for share in sure],
    }


def regress(task: ModelTask) -> dict[str, Any]:
    """Lay a straight line through the numbers in the data, in their order, and predict the next one.

    Raises MessageRejected for data that cannot be used.
    """
    from sklearn.linear_model import LinearRegression

    numbers = _numbers(task.data)
    model = LinearRegression().fit([[position] for position in range(len(numbers))], numbers)
    return {
        "slope": float(model.coef_[0]),
        "intercept": float(model.intercept_),
        "next": float(model.predict([[len(numbers)]])[0]),
    }


def cluster(task: ModelTask) -> dict[str, Any]:
    """Put the numbers in the data into up to three clusters (k-means, with the seed `random_state`).

    Raises MessageRejected for data or parameters that cannot be used.
    """
    from sklearn.cluster import KMeans

    numbers, seed = _numbers(task.data), _seed(task)
    model = KMeans(n_clusters=min(MOST_CLUSTERS, len(set(numbers))), n_init=10, random_state=seed)
    labels = model.fit_predict([[number] for number in numbers])
    return {
        "clusters": [int(label) for label in labels],
        "centres": [float(centre[0]) for centre in model.cluster_centers_],
    }


MODELS = {"classification": classify, "regression": regress, "clustering": cluster}
"""The model of each type."""


def _numbers(data: Mapping[str, Any]) -> list[float]:
    """Every number in the data, be it by itself or in a list."""
    found: list[float] = []
    for name, value in data.items():
        for number in value if isinstance(value, list) else [value]:
            if isinstance(number, bool) or not isinstance(number, int | float) or abs(number) > 1e100:
                raise MessageRejected(
                    f"The data {name!r} holds {str(number)[:50]!r}, which is not a number to work with."
                )
            found.append(float(number))
    if not found:
        raise MessageRejected("The data holds no number.")
    return found


def _seed(task: ModelTask) -> int | None:
    seed = task.parameters.get("random_state")
    if seed is None or (isinstance(seed, int) and not isinstance(seed, bool) and 0 <= seed <= LARGEST_SEED):
        return seed
    raise MessageRejected(f"random_state is a whole number from 0 to {LARGEST_SEED}, not {str(seed)[:50]!r}.")


def _positive(parameters: Mapping[str, Any], name: str, default: float) -> float:
    value = parameters.get(name, default)
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 1e6 and math.isfinite(value):
        return float(value)
    raise MessageRejected(f"{name} is a number above 0 and up to 1000000, not {str(value)[:50]!r}.")
