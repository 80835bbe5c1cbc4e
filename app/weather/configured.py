"""The weather part as the settings describe it, for the programs and tasks that use it."""

from app.settings import Settings
from app.weather.observation import Place
from app.weather.providers.build import build_providers
from app.weather.providers.provider import Provider
from app.weather.store import Store


def configured_places(settings: Settings) -> list[Place]:
    """The places to watch."""
    return [Place(*place) for place in settings.weather_places]


def configured_providers(settings: Settings) -> list[Provider]:
    """The weather services, in the order in which they are asked."""
    return build_providers(
        settings.weather_providers,
        open_meteo_url=settings.open_meteo_url,
        met_norway_url=settings.met_norway_url,
        user_agent=settings.weather_user_agent,
        cache_folder=settings.data_dir / "weather" / "cache",
    )


def configured_store(settings: Settings) -> Store:
    """The weather file."""
    return Store(settings.weather_file)
