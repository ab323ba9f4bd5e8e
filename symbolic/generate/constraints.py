"""Rules that written notes obey: what users ask for, and what keeps the result sound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from symbolic.errors import ConfigError, did_you_mean
from symbolic.tokens.vocabulary import DRUM_PITCH

_TONICS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
SCALES: Mapping[str, tuple[int, ...]] = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "harmonic minor": (0, 2, 3, 5, 7, 8, 11),
    "melodic minor": (0, 2, 3, 5, 7, 9, 11),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
    "lydian": (0, 2, 4, 6, 7, 9, 11),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "pentatonic": (0, 2, 4, 7, 9),
    "minor pentatonic": (0, 3, 5, 7, 10),
    "blues": (0, 3, 5, 6, 7, 10),
    "whole tone": (0, 2, 4, 6, 8, 10),
}
"""Semitones above the tonic."""


@dataclass(frozen=True)
class Constraints:
    """Rules for the notes that are written. Drums are free of scale and range.

    Args:
        scale: Tonic and scale such as "C major" or "F# blues". None for all pitches.
        lowest: Lowest MIDI pitch.
        highest: Highest MIDI pitch.
        rhythm: Keep positions and durations of the notes, so that their number stays too.
        density: Notes for each note that the bars would have had.
        polyphony: Most notes of a track that sound together. None for as many as elsewhere in the piece.

    Raises:
        ConfigError: If values are out of range. All are named.
    """

    scale: str | None = None
    lowest: int = 0
    highest: int = 127
    rhythm: bool = False
    density: float = 1.0
    polyphony: int | None = None

    def __post_init__(self) -> None:
        problems = _scale_problems(self.scale)
        if not 0 <= self.lowest <= self.highest <= 127:
            problems.append(
                f"lowest {self.lowest}, highest {self.highest}: give pitches from 0 to 127, lowest first."
            )
        if not 0 < self.density <= 8:
            problems.append(f"density {self.density}: must be above 0 and at most 8.")
        if self.polyphony is not None and self.polyphony < 1:
            problems.append(f"polyphony {self.polyphony}: must be at least 1.")
        if self.rhythm and self.density != 1:
            problems.append(
                "rhythm and density exclude each other: a kept rhythm has as many notes as before."
            )
        if not problems and not self.pitches.any():
            problems.append(f"scale {self.scale}: it has no pitch from {self.lowest} to {self.highest}.")
        if problems:
            raise ConfigError(problems)

    def kept(self, fields: Sequence[str] | None) -> Sequence[str] | None:
        """Return the fields that may change, given those that are asked for; None for whole notes."""
        if not self.rhythm:
            return fields
        return [name for name in fields or ("pitch", "velocity") if name not in ("position", "duration")]

    @cached_property
    def pitches(self) -> NDArray[np.bool_]:
        """(128,) bool, the MIDI pitches that are allowed."""
        pitch = np.arange(DRUM_PITCH)
        allowed = (self.lowest <= pitch) & (pitch <= self.highest)
        if self.scale is not None:
            tonic, _, name = self.scale.strip().partition(" ")
            allowed &= np.isin((pitch - _tonic(tonic)) % 12, SCALES[name.strip().casefold()])
        return allowed


def _tonic(name: str) -> int:
    return _TONICS[name[0].upper()] + name[1:].count("#") - name[1:].count("b")


def _scale_problems(scale: str | None) -> list[str]:
    if scale is None:
        return []
    tonic, _, name = scale.strip().partition(" ")
    name = name.strip().casefold()
    if not tonic or tonic[0].upper() not in _TONICS or set(tonic[1:]) - {"#", "b"}:
        return [f"scale {scale}: begin with a tonic such as C, F# or Bb, then a scale, as in 'C major'."]
    if name not in SCALES:
        return [f"scale {scale}: {did_you_mean(name, SCALES)}choose among {', '.join(SCALES)}."]
    return []
