"""The embedded broker: a Valkey server on a Unix socket below DATA_DIR, shared by all who need it."""

from app.embedded.address import url
from app.embedded.errors import EmbeddedBrokerError
from app.embedded.installation import install
from app.embedded.membership import join, leave

__all__ = ["EmbeddedBrokerError", "install", "join", "leave", "url"]
