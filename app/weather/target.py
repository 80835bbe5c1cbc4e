"""Where an export or a picture may go."""

import os
from pathlib import Path

from app.weather.errors import StoreError


def check_target(source: Path, target: Path) -> None:
    """Raise StoreError when `target` is the weather file `source`, its lock or its torn lines, by whatever name."""
    source = Path(os.path.realpath(source))
    for own in (source, *(source.with_name(f"{source.name}.{kind}") for kind in ("lock", "torn"))):
        if os.path.realpath(target) == str(own) or _same(target, own):
            raise StoreError(f"{target} is the weather file, or belongs to it; name another file.")


def _same(target: Path, own: Path) -> bool:
    try:
        return target.samefile(own)
    except OSError:  # one of them is not there, or out of reach
        return False
