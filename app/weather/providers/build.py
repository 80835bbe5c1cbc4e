"""Providers from plain values."""

from collections.abc import Sequence
from pathlib import Path

from app.weather.providers.met_norway import MetNorway
from app.weather.providers.open_meteo import OpenMeteo
from app.weather.providers.provider import Provider


def build_providers(
    names: Sequence[str],
    *,
    open_meteo_url: str,
    met_norway_url: str,
    user_agent: str,
    cache_folder: Path,
    deadline: float = 15.0,
) -> list[Provider]:
    """The providers called `names`, in that order: open-meteo and met-norway are known.

    A URL is that of a server, such as http://127.0.0.1:8080, or has a path, and is then used as it is. `cache_folder`
    keeps what the services ask to be kept; `deadline` is in seconds for each request.
    Raises ValueError for a name that is not known.
    """
    known: dict[str, Provider] = {
        OpenMeteo.name: OpenMeteo(open_meteo_url, user_agent, cache_folder, deadline),
        MetNorway.name: MetNorway(met_norway_url, user_agent, cache_folder, deadline),
    }
    if unknown := next((name for name in names if name not in known), None):
        raise ValueError(f"There is no weather provider {unknown!r}, only {' and '.join(known)}.")
    return [known[name] for name in names]
