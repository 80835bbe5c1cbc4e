"""What is asked of whoever makes reports, and the answer, as both go through RabbitMQ or Celery."""

from dataclasses import dataclass
from typing import Any, Final, Self

from app.reporting.period import MOST_DAYS

LONGEST_REQUEST_ID: Final = 100


@dataclass(frozen=True, slots=True)
class Order:
    """A report about the last days of one place."""

    place: str
    days: int
    request_id: str = ""
    """Of the request to the web front that wants it, for the log."""

    @classmethod
    def read(cls, data: Any) -> Self:
        """The order in `data`; raises ValueError for anything else."""
        match data:
            case {"place": str(place), "days": int(days)} if 1 <= days <= MOST_DAYS and days is not True:
                request_id = str(data.get("request_id", ""))[:LONGEST_REQUEST_ID]
                return cls(place, days, request_id if request_id.isprintable() else "")
        raise ValueError(f'an order has the form {{"place": "Moscow", "days": 7}}, with 1 to {MOST_DAYS} days')


NO_ROWS = "no_rows"
"""The key of an answer that is no report, but a sentence: there are no rows to report on."""
