"""What can go wrong with a forecast; each message is one sentence for a person."""


class ForecastError(Exception):
    """The model could not be trained."""


class TooFewDays(ForecastError):
    """There are not enough days in the weather file to learn from and to be judged by."""
