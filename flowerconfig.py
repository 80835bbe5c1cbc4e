"""Flower's defaults; `celery -A app flower` reads this file, and its command line overrides what stands here.

Flower shows every task and can stop workers: it listens on this machine only, or it asks for a password.
"""

from ipaddress import ip_address

from tornado.options import options

from app.settings import get_settings


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


_settings = get_settings()

# The options hold what Flower found on its command line and in FLOWER_… variables by now.
address = options.address or "127.0.0.1"
_protected = _settings.flower_basic_auth or any(options.basic_auth or []) or options.auth
if not (_protected or options.unix_socket or _is_loopback(address)):
    raise SystemExit(
        f"Flower would listen on {address} without a password: "
        "set FLOWER_BASIC_AUTH=user:password, or leave the address at 127.0.0.1."
    )

basic_auth = [_settings.flower_basic_auth] if _settings.flower_basic_auth else []

# Flower's own default of 100,000 tasks takes hundreds of megabytes in the end.
max_tasks = 10_000

if _settings.rabbitmq_manager_url:
    broker_api = _settings.rabbitmq_manager_url.rstrip("/").removesuffix("/api") + "/api/"
