"""What can go wrong with a report; each message is one sentence for a person."""


class ReportError(Exception):
    """The report could not be made."""


class NoRows(ReportError):
    """The weather file has no row of these places in this period."""
