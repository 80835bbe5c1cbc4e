"""The forecast: what a model learns from, how it is judged, and what it says when there is too little."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from app.forecast.days import DAY, Table, read_table
from app.forecast.errors import ForecastError, TooFewDays
from app.forecast.scores import keep_score, read_scores
from app.forecast.training import STEPS, train
from tests.services.weather_rows import write_weather

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)


def table(means: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> Table:
    """A table in which only the means of the last three days are known."""
    days = np.arange(len(means))[2:-1]
    return Table(days, np.column_stack([means[2:-1], means[1:-2], means[:-3]]), means[3:])


def test_a_day_is_known_when_it_is_over_and_has_its_rows(tmp_path: Path) -> None:
    """Today, which is not over, tells nothing; each day knows the two before it, and the day after it but the last."""
    late = NOW.replace(hour=22)  # nearly all of today is there
    path = write_weather(tmp_path / "file", ["Moscow"], days=10, end=late)
    found = read_table(path, "Moscow", late)
    today = int(NOW.timestamp() // DAY)
    assert found.days.tolist() == list(range(today - 7, today))
    assert np.isnan(found.tomorrow).tolist() == [False] * 6 + [True]
    assert found.tomorrow[:-1].tolist() == found.known[1:, 0].tolist()
    assert found.known[1:, 4].tolist() == found.known[:-1, 0].tolist()


def test_days_with_gaps_are_not_guessed(tmp_path: Path) -> None:
    """A day that misses a third of its hours is unknown, and so is what would be told of its neighbours by it."""
    path = write_weather(tmp_path / "file", ["Moscow"], days=20, end=NOW)
    gap = f"{NOW - timedelta(days=10):%Y-%m-%d}"
    rows = [
        line
        for line in path.read_text().splitlines()
        if not f"{gap}T08" <= json.loads(line)["observed_at"] < f"{gap}T16"
    ]
    path.write_text("\n".join(rows) + "\n")
    found = read_table(path, "Moscow", NOW)
    missing = int(NOW.timestamp() // DAY) - 10
    assert not set(found.days) & {missing, missing + 1, missing + 2}
    assert np.isnan(found.tomorrow[found.days.tolist().index(missing - 1)])


def test_a_model_that_can_learn_is_better_than_same_as_today() -> None:
    """A temperature that goes up and down in six days can be told from the last three; the steps are counted."""
    steps: list[tuple[int, int]] = []
    score = train("Moscow", table(10 * np.sin(np.arange(200.0))), NOW, lambda done, total: steps.append((done, total)))
    assert score.is_better
    assert score.model_error < 1 < score.same_as_today_error
    assert steps == [(done, STEPS) for done in range(1, STEPS + 1)]
    assert (score.trained_days + score.held_out_days, score.held_out_days) == (197, 49)


def test_a_model_of_what_nobody_can_tell_is_said_to_be_no_better() -> None:
    """Where tomorrow is today and chance, "same as today" cannot be beaten by much, and losing is not hidden."""
    walk = np.cumsum(np.random.default_rng(1).normal(size=300))
    score = train("Moscow", table(walk), NOW, lambda done, total: None)
    assert score.is_better == (score.model_error < score.same_as_today_error)
    assert score.model_error > 0.7 * score.same_as_today_error


def test_the_days_that_judge_are_never_learned_from() -> None:
    """A model that has seen only summer is judged by a winter that no model could expect."""
    means = np.concatenate([np.full(150, 20.0), np.full(50, -20.0)])
    score = train("Moscow", table(means), NOW, lambda done, total: None)
    assert score.model_error > 10 > score.same_as_today_error
    assert not score.is_better


@pytest.mark.parametrize("days", [20, 2, 1, 0])
def test_too_few_days_are_told(tmp_path: Path, days: int) -> None:
    """With the number that there is and the number that is needed."""
    path = write_weather(tmp_path / "file", ["Moscow"], days=days, end=NOW)
    with pytest.raises(TooFewDays, match=r"usable days of Moscow .* needs 40"):
        train("Moscow", read_table(path, "Moscow", NOW), NOW, lambda done, total: None)


def test_a_place_without_rows_and_a_missing_file_are_told(tmp_path: Path) -> None:
    """One sentence each."""
    path = write_weather(tmp_path / "file", ["Moscow"], days=1, end=NOW)
    with pytest.raises(ForecastError, match="no rows of Oslo"):
        read_table(path, "Oslo", NOW)
    with pytest.raises(ForecastError, match="There is no weather file"):
        read_table(tmp_path / "none", "Oslo", NOW)


def test_scores_are_listed_newest_first(tmp_path: Path) -> None:
    """A task that runs twice leaves one score, and what is no score is left out."""
    for moment, score_id in (("2026-11-20", "a"), ("2026-11-22", "b"), ("2026-11-21", "a")):
        keep_score(tmp_path / "forecast", score_id, {"made_at": moment})
    (tmp_path / "forecast" / "c.json").write_text("[]")
    (tmp_path / "forecast" / "d.json").write_text("{")
    assert [score["id"] for score in read_scores(tmp_path / "forecast")] == ["b", "a"]
    assert read_scores(tmp_path / "none") == []
