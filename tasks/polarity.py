"""The polarity of reviews, on a queue of its own: `celery -A app worker -Q polarity` does nothing else."""

from dataclasses import asdict

from app.celery import app
from app.polarity import polarity_of


@app.task(name="polarity:score", throws=(ValueError,))
def score(review: str) -> dict[str, object]:
    """The polarity of a review, from -1 to 1, its language, and how many of its words are known.

    Raises ValueError when the review is empty or too long.
    """
    return asdict(polarity_of(review))
