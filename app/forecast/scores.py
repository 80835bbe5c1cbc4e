"""The scores of trainings, one JSON file each."""

import json
from pathlib import Path
from typing import Any, Final

from app.weather.files import replacing

MOST: Final = 100
"""So many are listed."""


def keep_score(folder: Path, score_id: str, score: dict[str, Any]) -> None:
    """Keep a score, in the place of one of the same id; raises OSError when it cannot be written."""
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / f"{score_id}.json") as new:
        new.write_text(json.dumps({"id": score_id} | score, ensure_ascii=False) + "\n")


def read_scores(folder: Path) -> list[dict[str, Any]]:
    """The last scores, the newest first."""
    scores = [_read(path) for path in folder.glob("*.json")]
    return sorted((score for score in scores if score), key=lambda score: score["made_at"], reverse=True)[:MOST]


def _read(path: Path) -> dict[str, Any] | None:
    try:
        score = json.loads(path.read_text())
    except (OSError, ValueError):  # it has just been cleared away, or is none of ours
        return None
    return score if isinstance(score, dict) and isinstance(score.get("made_at"), str) else None
