"""What the rows of the weather file mean by precipitation."""

from typing import Final

ROWS_NOTE: Final = (
    "Precipitation: Open-Meteo's rows are sums of 15 minutes, three of which are kept of each hour, so about a "
    "quarter of what fell is missing; MET Norway's are forecasts for an hour."
)
