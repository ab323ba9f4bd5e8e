"""What other programs read in a score, note by note, and how far two readings agree."""

from __future__ import annotations

import warnings
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from symbolic.music.music21_scores import from_music21
from symbolic.music.notes import Music

Notes: TypeAlias = "Counter[tuple[float, float, int]]"
"""How often each onset and length, in quarters from the first note, stand with each pitch."""


class Agreement(NamedTuple):
    """How two readings of a file compare.

    Attributes:
        ours: Number of notes that we read.
        theirs: Number of notes that the other program reads.
        common: Number of notes of one onset, length and pitch in both.
        pitches: Number of notes of one pitch in both.
    """

    ours: int
    theirs: int
    common: int
    pitches: int

    @property
    def same(self) -> bool:
        """Whether all notes are the same."""
        return self.ours == self.theirs == self.common


def compare(ours: Notes, theirs: Notes) -> Agreement:
    """Compare two readings of a file."""
    pitches = [Counter[int](), Counter[int]()]
    for found, notes in zip(pitches, (ours, theirs), strict=True):
        for (_, _, pitch), count in notes.items():
            found[pitch] += count
    common = (ours & theirs).total()
    return Agreement(ours.total(), theirs.total(), common, (pitches[0] & pitches[1]).total())


def notes_of(music: Music) -> Notes:
    """Return the pitched notes of music."""
    chosen = music.notes[~music.drums]
    columns = (chosen[name] / music.resolution for name in ("onset", "duration"))
    return _counted(*columns, chosen["pitch"])


def read_by_music21(path: Path) -> Notes:
    """Return what music21 reads."""
    from music21 import converter

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return notes_of(from_music21(converter.parse(path, forceSource=True), str(path)))


def _counted(onsets: NDArray[Any], lengths: NDArray[Any], pitches: NDArray[Any]) -> Notes:
    """Count notes by onset from the first one, length and pitch. Times are rounded to hundredths of a quarter."""
    onsets = onsets - onsets.min(initial=np.inf)
    columns = zip(onsets.tolist(), lengths.tolist(), pitches.tolist(), strict=True)
    return Counter((round(onset, 2), round(length, 2), pitch) for onset, length, pitch in columns)
