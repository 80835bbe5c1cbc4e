"""What can go wrong with the embedded broker."""


class EmbeddedBrokerError(ConnectionError):
    """The embedded broker cannot be used; the message says why, and where its log is."""
