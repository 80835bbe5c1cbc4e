"""Training: a model is chosen on the older days, and judged once on the newest ones, which it never saw."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import Ridge
from sklearn.model_selection import TimeSeriesSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from app.forecast.days import FEATURES, Table
from app.forecast.errors import TooFewDays

if TYPE_CHECKING:
    Array = np.ndarray[Any, Any]

LEAST_DAYS: Final = 40
HELD_OUT: Final = 0.25
"""The part at the end by which the chosen model is judged."""
FOLDS: Final = 4
CANDIDATES: Final[dict[str, Callable[[], Any]]] = {
    **{
        f"ridge, alpha {alpha:g}": partial(make_pipeline, StandardScaler(), Ridge(alpha=alpha))
        for alpha in (0.1, 1.0, 10.0, 100.0)
    },
    "random forest, 100 trees": lambda: RandomForestRegressor(100, min_samples_leaf=3, random_state=0),
}
STEPS: Final = len(CANDIDATES) * FOLDS + 1

Progress = Callable[[int, int], None]
"""Is told how many of how many steps are done."""


@dataclass(frozen=True, slots=True)
class Score:
    """What became of a training. Errors are mean absolute errors in °C, of the days that were held out."""

    place: str
    made_at: str
    model: str
    features: tuple[str, ...]
    trained_days: int
    held_out_days: int
    held_out_from: str
    """The first day that was held out."""
    model_error: float
    same_as_today_error: float
    is_better: bool
    """Whether the model was closer than "tomorrow will be as today"; where it was not, use that."""
    tomorrow: str
    tomorrow_c: float
    """The mean temperature that the model expects of the day after the last whole one."""

    def as_dict(self) -> dict[str, Any]:
        """The same as a JSON object."""
        return asdict(self)


def train(place: str, table: Table, now: datetime, progress: Progress) -> Score:
    """Choose a model, judge it and ask it for tomorrow; raises TooFewDays when the table is too short for that."""
    usable = table.complete
    if len(usable.days) < LEAST_DAYS:
        raise TooFewDays(
            f"The weather file has {len(usable.days)} usable days of {place} (one needs the two before it and the one "
            f"after it); a forecast needs {LEAST_DAYS}."
        )
    cut = len(usable.days) - int(len(usable.days) * HELD_OUT)
    name = _choose(usable.known[:cut], usable.tomorrow[:cut], progress)
    model = CANDIDATES[name]().fit(usable.known[:cut], usable.tomorrow[:cut])
    model_error = _error(model.predict(usable.known[cut:]), usable.tomorrow[cut:])
    today_error = _error(usable.known[cut:, 0], usable.tomorrow[cut:])
    # For tomorrow, it may learn from all that is known.
    expected = CANDIDATES[name]().fit(usable.known, usable.tomorrow).predict(table.known[-1:])[0]
    progress(STEPS, STEPS)
    return Score(
        place=place,
        made_at=now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        model=name,
        features=FEATURES,
        trained_days=cut,
        held_out_days=len(usable.days) - cut,
        held_out_from=_date(usable.days[cut]),
        model_error=round(model_error, 2),
        same_as_today_error=round(today_error, 2),
        is_better=model_error < today_error,
        tomorrow=_date(table.days[-1] + 1),
        tomorrow_c=round(float(expected), 1),
    )


def _choose(known: "Array", tomorrow: "Array", progress: Progress) -> str:
    """The candidate that is closest on average over the folds, each of which is later than what it is trained on."""
    errors: dict[str, list[float]] = {name: [] for name in CANDIDATES}
    for number, (name, make) in enumerate(CANDIDATES.items()):
        for fold, (before, after) in enumerate(TimeSeriesSplit(FOLDS).split(known), start=1):
            model = make().fit(known[before], tomorrow[before])
            errors[name].append(_error(model.predict(known[after]), tomorrow[after]))
            progress(number * FOLDS + fold, STEPS)
    return min(errors, key=lambda name: float(np.mean(errors[name])))


def _error(expected: "Array", seen: "Array") -> float:
    return float(np.abs(expected - seen).mean())


def _date(number: int) -> str:
    return f"{datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=int(number)):%Y-%m-%d}"
