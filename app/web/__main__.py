"""`python -m app.web`: serve the web front until Ctrl-C."""

from app.program import MISUSED, refuse, run_program  # first, so that Ctrl-C is quiet while the rest is loaded

# isort: split
import argparse
import errno
import socket
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import uvicorn

from app.celery import app as celery_app
from app.settings import Settings, get_settings, host_of, port_of
from app.web.application import create_application
from app.web.protocol import Protocol

GRACE_SECONDS = 3
MOST_CONNECTIONS = 1000
"""With so many, streams of the page among them, a further one is refused with 503."""


class Server(uvicorn.Server):
    """uvicorn, which lets streams end before it waits for the last requests."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End."""
        application: Any = self.config.app
        if services := getattr(application.state, "services", None):
            services.following.close_streams()
        await super().shutdown(sockets)


def main() -> int:
    """Serve. Returns 0 at the end, 1 when it cannot listen; exits with 2 for wrong use."""
    settings = get_settings()
    options = _options(settings)
    settings = replace(settings, web_host=options.host, web_port=options.port)
    if settings.web_token is None and not _is_loopback(settings.web_host):
        return refuse(
            f"The web front would listen on {settings.web_host} without a token: set WEB_TOKEN, "
            "as to what `openssl rand -hex 16` prints, or leave WEB_HOST at 127.0.0.1.",
            MISUSED,
        )
    try:
        listener = _listen(settings.web_host, settings.web_port)
    except (OSError, UnicodeError) as error:  # a name that has an empty or a long part is no text to its codec
        where, reason = f"{settings.web_host}, port {settings.web_port}", getattr(error, "strerror", None) or error
        return refuse(f"The web front cannot listen on {where} ({reason}): {_advice(error)}.")
    _serve(settings, listener)
    return 0


def _serve(settings: Settings, listener: socket.socket) -> None:
    config = uvicorn.Config(
        create_application(celery_app, settings),
        log_level="warning",
        access_log=False,
        server_header=False,
        http=Protocol,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    with listener:
        host, port = listener.getsockname()[:2]
        print(f"The web front is at http://{f'[{host}]' if ':' in host else host}:{port}", flush=True)
        Server(config).run(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    return socket.create_server(address, family=family, backlog=2048)


def _advice(error: Exception) -> str:
    is_port = getattr(error, "errno", None) in (errno.EADDRINUSE, errno.EACCES)
    return "choose another WEB_PORT" if is_port else "choose another WEB_HOST"


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _options(settings: Settings) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m app.web", description="Serve the web front until Ctrl-C.")
    host, port = settings.web_host, settings.web_port
    parser.add_argument("--host", default=host, type=_checked(host_of), help=f"the address to listen on ({host})")
    parser.add_argument("--port", default=port, type=_checked(port_of), help=f"({port})")
    return parser.parse_args()


def _checked(check: Callable[[str], object]) -> Callable[[str], object]:
    def parse(text: str) -> object:
        try:
            return check(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return parse


if __name__ == "__main__":
    run_program(main)
