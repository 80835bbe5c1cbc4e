"""What is asked of whoever makes reports, and the answer, as both go through RabbitMQ or Celery."""

from dataclasses import dataclass
from typing import Any, Self

from app.reporting.period import MOST_DAYS


@dataclass(frozen=True, slots=True)
class Order:
    """A report about the last days of one place."""

    place: str
    days: int

    @classmethod
    def read(cls, data: Any) -> Self:
        """The order in `data`; raises ValueError for anything else."""
        match data:
            case {"place": str(place), "days": int(days)} if 1 <= days <= MOST_DAYS and days is not True:
                return cls(place, days)
        raise ValueError(f'an order has the form {{"place": "Moscow", "days": 7}}, with 1 to {MOST_DAYS} days')


NO_ROWS = "no_rows"
"""The key of an answer that is no report, but a sentence: there are no rows to report on."""
