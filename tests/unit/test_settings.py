"""What the environment may say, and the sentence that answers what it may not."""

from pathlib import Path

import pytest

from app.settings import SettingsError, read_settings

AMQP = "amqp://user:secret@host/"
REDIS = "redis://:secret@host:6379/0"


def test_nothing_set_means_the_embedded_broker_and_a_folder_here() -> None:
    """With no variable at all, everything has a default that works on a laptop."""
    settings = read_settings({})
    assert settings.broker_url is None
    assert settings.result_backend == ""
    assert settings.rabbitmq_url is None
    assert settings.weather_file == Path("var/weather/observations.jsonl").absolute()
    assert [name for name, _, _ in settings.weather_places] == ["Moscow", "Berlin"]


def test_an_empty_variable_counts_as_not_set() -> None:
    """Compose passes variables that nobody set as empty ones."""
    assert read_settings({"CELERY_BROKER_URL": "", "WEATHER_PLACES": " "}) == read_settings({})


@pytest.mark.parametrize(
    ("environment", "results", "messaging"),
    [
        ({"CELERY_BROKER_URL": AMQP}, "rpc://", AMQP),
        ({"CELERY_BROKER_URL": AMQP, "CELERY_RESULT_BACKEND": REDIS}, REDIS, AMQP),
        ({"CELERY_BROKER_URL": REDIS}, REDIS, None),
        ({"CELERY_BROKER_URL": REDIS, "RABBITMQ_URL": AMQP}, REDIS, AMQP),
        ({"RABBITMQ_URL": AMQP}, "", AMQP),
    ],
)
def test_results_and_messaging_follow_the_broker(
    environment: dict[str, str], results: str, messaging: str | None
) -> None:
    """Without a result backend of its own, results go where the broker is; messaging uses an AMQP broker."""
    settings = read_settings(environment)
    assert (settings.result_backend, settings.rabbitmq_url) == (results, messaging)


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("CELERY_BROKER_URL", "memory://", "amqp://"),
        ("CELERY_BROKER_URL", "amqp:/host", "amqp://"),
        ("CELERY_BROKER_URL", "amqp://host:99999/", "amqp://"),
        ("CELERY_BROKER_URL", "redis+socket://", "redis+socket://"),
        ("CELERY_RESULT_BACKEND", "db+sqlite://", "rpc://"),
        ("RABBITMQ_URL", "redis://host", "amqp://"),
        ("OPEN_METEO_URL", "ftp://host/", "http://"),
        ("WEATHER_PLACES", "Moscow", "name=latitude,longitude"),
        ("WEATHER_PLACES", "Moscow=91,0", "between -90 and 90"),
        ("WEATHER_PLACES", "Moscow=0,180.5", "between -180 and 180"),
        ("WEATHER_PLACES", "Moscow=nan,0", "between -90 and 90"),
        ("WEATHER_PLACES", "A=1,2;A=3,4", "twice"),
        ("WEATHER_PLACES", ";", "at least one place"),
        ("WEATHER_PROVIDERS", "open-meteo,weatherbug", "met-norway"),
        ("WEATHER_USER_AGENT", "python-requests/2.34", "a contact"),
        ("WEATHER_USER_AGENT", "weather\nX-Evil: 1", "printable"),
        ("DATA_DIR", "/dev/null", "not a folder"),
        ("WEATHER_FILE", "/", "a folder"),
    ],
)
def test_a_wrong_value_is_answered_with_its_name_itself_and_what_is_allowed(
    name: str, value: str, allowed: str
) -> None:
    """One sentence says which variable, which value, and what would do."""
    with pytest.raises(SettingsError) as caught:
        read_settings({name: value})
    sentence = str(caught.value)
    assert sentence.startswith(f"{name}={value!r}")
    assert allowed in sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CELERY_BROKER_URL", "http://user:secret@host/"),
        ("CELERY_BROKER_URL", "amqp:/user:secret@host"),
        ("CELERY_BROKER_URL", "amqp://user:sec:ret@secret@host:99999/"),
        ("CELERY_BROKER_URL", "user:secret@host"),
        ("CELERY_RESULT_BACKEND", "mongodb://user:a/secret@host"),
        ("CELERY_BROKER_URL", "amqp://guest:secret"),
        ("CELERY_RESULT_BACKEND", "redis://host/0x?password=secret"),
        ("OPEN_METEO_URL", "https:/host?apikey=secret"),
        ("OPEN_METEO_URL", "ftp://user:secret@host"),
        ("FLOWER_BASIC_AUTH", "secret"),
        ("FLOWER_BASIC_AUTH", ":secret"),
    ],
)
def test_a_password_is_never_shown(name: str, value: str) -> None:
    """Not even when the URL around it is malformed."""
    with pytest.raises(SettingsError) as caught:
        read_settings({name: value})
    assert "secret" not in str(caught.value)
    assert name in str(caught.value)
