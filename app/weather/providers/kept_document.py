"""A service's document on disk, with what its headers said of asking again."""

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from app.weather.files import replacing
from app.weather.observation import format_time, parse_time


@dataclass(frozen=True, slots=True)
class KeptDocument:
    """One answer: where it came from, until when it need not be asked for again, and its body."""

    url: str
    expires: datetime
    last_modified: str | None
    """The header as it was; None when the document must be asked for anew and whole."""
    body: str

    @classmethod
    def load(cls, path: Path, url: str, latest: datetime) -> "KeptDocument | None":
        """The document at `path` if it came from `url`.

        None when there is none, it was damaged, or it says that it holds beyond `latest`: a wrong clock has dated it.
        """
        try:
            kept = json.loads(path.read_bytes())
            document = cls(kept["url"], parse_time(kept["expires"]), kept["last_modified"], kept["body"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        fits = document.url == url and document.expires <= latest
        texts = isinstance(document.body, str) and isinstance(document.last_modified, str | None)
        return document if fits and texts else None

    def save(self, path: Path) -> None:
        """Keep the document at `path`, whole or not at all; raises OSError."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as new:
            new.write_text(json.dumps(asdict(self) | {"expires": format_time(self.expires)}))
