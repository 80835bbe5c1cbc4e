"""The weather of every place at the same time, then one summary of them all."""

from celery import chord

from app.settings import get_settings
from app.workflows.arithmetic import AnySignature
from tasks.callbacks import on_task_error
from tasks.weather import fetch, summarise


def weather() -> AnySignature:
    """The weather now of every configured place, then which is warmest, coldest and windiest."""
    places = get_settings().weather_places
    return chord([fetch.s(*place) for place in places], summarise.s().on_error(on_task_error.s()))


def expected() -> dict[str, object]:
    """What a summary must have: every configured place."""
    return {"places": [name for name, _, _ in get_settings().weather_places]}
