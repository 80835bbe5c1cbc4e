"""All rows of the table, in its order."""

from tests.faults.finding import Row
from tests.faults.rows import beats, brokers, chords, cluster, delays, poison, workers

ROWS: tuple[Row, ...] = (
    *workers.ROWS,
    *brokers.ROWS,
    *chords.ROWS,
    *poison.ROWS,
    *delays.ROWS,
    *beats.ROWS,
    *cluster.ROWS,
)
