"""What other programs read in a score, note by note, and how far two readings agree."""

from __future__ import annotations

import warnings
from collections import Counter
from pathlib import Path
from typing import NamedTuple, TypeAlias

from symbolic.music.notes import Music
from symbolic.music.scores import from_music21

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


def notes_of(music: Music, *, grace: bool = True) -> Notes:
    """Return the pitched notes of music."""
    chosen = music.notes[~music.drums]
    if not grace:
        chosen = chosen[chosen["duration"] > 0]
    onset = (chosen["onset"] - chosen["onset"].min(initial=0)) / music.resolution if len(chosen) else []
    return _counted(onset, chosen["duration"] / music.resolution, chosen["pitch"])


def read_by_music21(path: Path) -> Notes:
    """Return what music21 reads."""
    from music21 import converter

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return notes_of(from_music21(converter.parse(path, forceSource=True), str(path)))


def read_by_partitura(path: Path) -> Notes:
    """Return what partitura reads, without grace notes: it leaves them out of its arrays."""
    import partitura

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        array = partitura.load_musicxml(path).note_array()
    return _counted(
        array["onset_quarter"] - array["onset_quarter"].min(), array["duration_quarter"], array["pitch"]
    )


def _counted(onsets: object, lengths: object, pitches: object) -> Notes:
    columns = zip(onsets, lengths, pitches, strict=True)  # type: ignore[call-overload]
    return Counter(
        (round(float(onset), 2), round(float(length), 2), int(pitch)) for onset, length, pitch in columns
    )
