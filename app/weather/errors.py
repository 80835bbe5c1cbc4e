"""What can go wrong with the weather, sorted by what one can do about it; each message is one sentence for a person."""


class WeatherError(Exception):
    """The weather could not be fetched or kept."""


class ProviderUnreachable(WeatherError):
    """A weather service gave no usable answer this time; asking again later makes sense."""

    def __init__(self, sentence: str, retry_after: float | None = None) -> None:
        """Keep the sentence, and the seconds to wait before the next request where the service made them known."""
        super().__init__(sentence)
        self.retry_after = retry_after


class ReplyNotUnderstood(WeatherError):
    """A weather service answered with something else than the weather; asking again the same way makes no sense."""


class StoreError(WeatherError):
    """A file of the weather cannot be read or written; nothing of the refused rows is in it."""
