"""Every environment variable that Weatherbeat reads: typed, checked, and with a default that works on a laptop."""

import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeAlias, TypeVar
from urllib.parse import urlsplit

AMQP_SCHEMES = ("amqp", "amqps", "pyamqp")
REDIS_SCHEMES = ("redis", "rediss", "redis+socket")
HTTP_SCHEMES = ("http", "https")
SMTP_SCHEMES = ("smtp", "smtps")
PROVIDERS = ("open-meteo", "met-norway")

Coordinates: TypeAlias = tuple[str, float, float]
Value = TypeVar("Value")


class SettingsError(ValueError):
    """A setting cannot be used; the message names the variable, its value and what is allowed."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one process; `get_settings` gives those of the environment."""

    broker_url: str | None
    """Celery's broker; None stands for the embedded one."""
    result_backend: str
    """Celery's result backend; empty stands for the embedded one."""
    rabbitmq_url: str | None
    """Where the messaging part works; None when no RabbitMQ is configured."""
    rabbitmq_manager_url: str | None
    """RabbitMQ's management API, for Flower's broker tab; None to go without."""
    data_dir: Path
    weather_places: tuple[Coordinates, ...]
    """The places to watch: name, latitude in degrees north, longitude in degrees east."""
    weather_file: Path
    weather_providers: tuple[str, ...]
    """The weather services, in the order in which they are asked."""
    open_meteo_url: str
    met_norway_url: str
    weather_user_agent: str
    flower_basic_auth: str | None
    flower_url: str | None
    """Where people find Flower; None: on this machine, when it answers there."""
    smtp_url: str | None
    """The mail server; None where no mail is sent."""
    mail_from: str
    """The address of the sender of mails."""
    web_host: str
    """The address on which the web front listens."""
    web_port: int
    web_token: str | None
    """What programs and people must know to use the web front; None where only this machine can reach it."""
    web_names: frozenset[str]
    """The host names under which the web front may be asked, apart from addresses and localhost."""


@cache
def get_settings() -> Settings:
    """The settings of this process, read from the environment once.

    Raises SettingsError for the first value that cannot be used.
    """
    return read_settings(os.environ)


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Read the settings from `environment`; a variable that is empty counts as not set."""

    def read(name: str, parse: Callable[[str], Value], default: str) -> Value:
        text = environment.get(name, "").strip() or default
        try:
            return parse(text)
        except ValueError as error:
            shown = _without_secrets(text) if "://" in text or name.endswith(("_URL", "_BACKEND")) else text
            raise SettingsError(f"{name}={shown!r} cannot be used: {error}.") from None

    def read_optional(name: str, parse: Callable[[str], str]) -> str | None:
        return read(name, parse, "") if environment.get(name, "").strip() else None

    broker_url = read_optional("CELERY_BROKER_URL", _url(*AMQP_SCHEMES, *REDIS_SCHEMES))
    over_amqp = broker_url is not None and urlsplit(broker_url).scheme in AMQP_SCHEMES
    data_dir = read("DATA_DIR", _folder, "var")
    return Settings(
        broker_url=broker_url,
        result_backend=read_optional("CELERY_RESULT_BACKEND", _url("rpc", *REDIS_SCHEMES))
        or ("rpc://" if over_amqp else broker_url or ""),
        rabbitmq_url=read_optional("RABBITMQ_URL", _url(*AMQP_SCHEMES)) or (broker_url if over_amqp else None),
        rabbitmq_manager_url=read_optional("RABBITMQ_MANAGER_URL", _url(*HTTP_SCHEMES)),
        data_dir=data_dir,
        weather_places=read("WEATHER_PLACES", _places, "Moscow=55.7558,37.6173;Berlin=52.52,13.405"),
        weather_file=read("WEATHER_FILE", _file, str(data_dir / "weather" / "observations.jsonl")),
        weather_providers=read("WEATHER_PROVIDERS", _providers, ",".join(PROVIDERS)),
        open_meteo_url=read("OPEN_METEO_URL", _url(*HTTP_SCHEMES), "https://api.open-meteo.com"),
        met_norway_url=read("MET_NORWAY_URL", _url(*HTTP_SCHEMES), "https://api.met.no"),
        weather_user_agent=read(
            "WEATHER_USER_AGENT", _user_agent, "Weatherbeat/0.1 (name a contact in WEATHER_USER_AGENT)"
        ),
        flower_basic_auth=_credentials(environment.get("FLOWER_BASIC_AUTH", "").strip()),
        smtp_url=read_optional("SMTP_URL", _url(*SMTP_SCHEMES)),
        mail_from=read("MAIL_FROM", _mail_address, "weatherbeat@localhost"),
        flower_url=read_optional("FLOWER_URL", _url(*HTTP_SCHEMES)),
        web_host=read("WEB_HOST", host_of, "127.0.0.1"),
        web_port=read("WEB_PORT", port_of, "8000"),
        web_token=_token(environment.get("WEB_TOKEN", "").strip()),
        web_names=read("WEB_NAMES", _host_names, "localhost"),
    )


MAIL_ADDRESS = re.compile(r"[0-9A-Za-z!#$%&'*+/=?^_`{|}~.-]{1,64}@[0-9A-Za-z.-]{1,255}")
HOST_NAME = re.compile(r"[0-9A-Za-z_.:-]+")
TOKEN = re.compile(r"[0-9A-Za-z._~+/=-]+")
SHORTEST_TOKEN = 16
HARMLESS_URL = re.compile(r"([\w+.-]*:/*)?[\w.-]*(:\d*)?(/[\w./-]*)?")


def _without_secrets(text: str) -> str:
    """What may be shown of a URL that was refused: all of it, or its scheme alone where a password may follow."""
    if HARMLESS_URL.fullmatch(text):
        return text
    scheme, colon, _ = text.partition(":/")
    return f"{scheme}{colon}***" if colon else "***"


def _url(*schemes: str) -> Callable[[str], str]:
    allowed = f"use a URL that begins with {' or '.join(f'{scheme}://' for scheme in schemes)}"

    def parse(text: str) -> str:
        try:
            parts = urlsplit(text)
            parts.port  # noqa: B018 - reading it is what checks it
        except ValueError:
            raise ValueError(allowed) from None
        located = parts.path if parts.scheme == "redis+socket" else parts.hostname
        if parts.scheme not in schemes or "://" not in text or not (located or parts.scheme == "rpc"):
            raise ValueError(allowed)
        if parts.scheme in ("redis", "rediss") and not parts.path.strip("/").isdecimal() and parts.path.strip("/"):
            raise ValueError("the path of a redis:// URL is the number of a database, as redis://host:6379/0")
        return text

    return parse


def _folder(text: str) -> Path:
    path = Path(text).absolute()
    if path.exists() and not path.is_dir():
        raise ValueError("it is not a folder; name one, it need not exist yet")
    return path


def _file(text: str) -> Path:
    path = Path(text).absolute()
    if path.is_dir():
        raise ValueError("it is a folder; name a file, it need not exist yet")
    return path


def _places(text: str) -> tuple[Coordinates, ...]:
    places = tuple(_place(part) for part in text.split(";") if part.strip())
    names = [name for name, _, _ in places]
    if not places:
        raise ValueError("name at least one place, as Moscow=55.7558,37.6173")
    if repeated := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(f"the place {repeated!r} stands in it twice; each needs its own name")
    return places


def _place(text: str) -> Coordinates:
    allowed = "a place is name=latitude,longitude in degrees, as Moscow=55.7558,37.6173, and ; stands between places"
    name, _, coordinates = text.partition("=")
    name = name.strip()
    try:
        latitude, longitude = (float(number) for number in coordinates.split(","))
    except ValueError:
        raise ValueError(allowed) from None
    if not name or not name.isprintable():
        raise ValueError(allowed)
    if not (math.isfinite(latitude) and -90 <= latitude <= 90):
        raise ValueError(f"the latitude of {name!r} must lie between -90 and 90")
    if not (math.isfinite(longitude) and -180 <= longitude <= 180):
        raise ValueError(f"the longitude of {name!r} must lie between -180 and 180")
    return name, latitude, longitude


def _providers(text: str) -> tuple[str, ...]:
    providers = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if not providers or not set(providers) <= set(PROVIDERS):
        raise ValueError(f"use one or more of {', '.join(PROVIDERS)}, with commas between them")
    return providers


def _user_agent(text: str) -> str:
    if not (text.isascii() and text.isprintable()):
        raise ValueError("use printable ASCII, such as: my-service/1.0 me@example.org")
    if text.lower().startswith("python"):
        raise ValueError("the weather services refuse generic names; name the application and a contact")
    return text


def _mail_address(text: str) -> str:
    if not MAIL_ADDRESS.fullmatch(text):
        raise ValueError("use one address, as weatherbeat@example.org")
    return text


def _credentials(text: str) -> str | None:
    name, colon, password = text.partition(":")
    if text and not (name and colon and password):
        raise SettingsError("FLOWER_BASIC_AUTH cannot be used: it has the form user:password (its value is not shown).")
    return text or None


def host_of(text: str) -> str:
    """The address or host name that `text` is; raises ValueError with what would do."""
    if not HOST_NAME.fullmatch(text.strip("[]")):
        raise ValueError("use an address or a host name, such as 127.0.0.1")
    return text.strip("[]")


def port_of(text: str) -> int:
    """The port that `text` is; raises ValueError with what would do."""
    if not (text.isascii() and text.isdecimal() and int(text) <= 65535):
        raise ValueError("a port is a number from 0 to 65535, and 0 stands for any that is free")
    return int(text)


def _host_names(text: str) -> frozenset[str]:
    names = frozenset(name.strip().lower() for name in text.split(",") if name.strip())
    if not all(HOST_NAME.fullmatch(name) and ":" not in name for name in names):
        raise ValueError("use host names without ports, with commas between them, such as weather.example.org")
    return names


def _token(text: str) -> str | None:
    if text and not (len(text) >= SHORTEST_TOKEN and TOKEN.fullmatch(text)):
        raise SettingsError(
            f"WEB_TOKEN cannot be used: it has {SHORTEST_TOKEN} or more letters, digits and any of -._~+/=, such as "
            "`openssl rand -hex 16` prints (its value is not shown)."
        )
    return text or None
