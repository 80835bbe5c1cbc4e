"""What a weather service said of some places, after its reply was read and checked."""

from dataclasses import dataclass, field

from app.weather.observation import Observation


@dataclass(frozen=True, slots=True)
class Answer:
    """The observations that can be trusted, and a sentence for each that was refused or is missing."""

    observations: list[Observation] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
