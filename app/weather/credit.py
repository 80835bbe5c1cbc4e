"""Whose data it is: both services ask for their name beside their values (CC BY 4.0)."""

from collections.abc import Iterable, Mapping
from typing import Final

NAMES: Final[Mapping[str, str]] = {"open-meteo": "Open-Meteo.com", "met-norway": "MET Norway"}


def credit(providers: Iterable[str]) -> str:
    """One line that names the providers of some rows."""
    names = [NAMES.get(provider, provider) for provider in sorted(set(providers), reverse=True)]
    return f"Weather data by {' and '.join(names)}, CC BY 4.0" if names else ""
