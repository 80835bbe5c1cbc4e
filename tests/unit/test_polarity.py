"""The polarity of reviews: how much work one may ask for, and how a run of many is told."""

import time

import pytest

from app.polarity import MOST_WORDS, polarity_of
from app.web.polarities import group_state
from app.workflows.live import LiveRun
from app.workflows.progress import Step

SECONDS = 5.0
"""Far more than these reviews take, and far less than VADER takes for the longest that could be written."""


@pytest.mark.parametrize(
    "review",
    [
        "😀" * (MOST_WORDS // 2 - 1),
        "x :) " * (MOST_WORDS // 2),
        "not so good " * (MOST_WORDS // 3),
        "but " * MOST_WORDS,
    ],
    ids=["emoji", "emoticons", "negations", "but"],
)
def test_the_dearest_reviews_are_scored_in_time(review: str) -> None:
    """VADER's time grows with the square of the words, so there is a limit to them."""
    begun = time.monotonic()
    polarity_of(review)
    assert time.monotonic() - begun < SECONDS


@pytest.mark.parametrize("review", ["😀" * 10_000, "x :) " * 2000, "but " * 2500], ids=["emoji", "emoticons", "but"])
def test_a_review_of_too_many_words_is_refused_at_once(review: str) -> None:
    """Before VADER sees it."""
    begun = time.monotonic()
    with pytest.raises(ValueError, match=f"words, with those of its emoji; {MOST_WORDS:,} are the most"):
        polarity_of(review)
    assert time.monotonic() - begun < SECONDS


def run() -> LiveRun:
    tasks = [Step("task", "polarity:score", id=str(number), state="PENDING") for number in range(2)]
    return LiveRun("polarity", Step("group", "group", children=tasks), None)


def test_a_run_that_was_broken_off_has_failed() -> None:
    """Nobody waits for it any more, and the reason is told."""
    broken = run()
    broken.break_off("The broker is away.")
    assert (group_state(broken)["state"], group_state(broken)["error"]) == ("FAILURE", "The broker is away.")


def test_a_revoked_run_is_revoked_when_it_is_over() -> None:
    """Until then its tasks may still be at work."""
    revoked = run()
    assert group_state(revoked)["state"] == "PENDING"
    revoked.revoke()
    revoked.end()
    assert group_state(revoked)["state"] == "REVOKED"
