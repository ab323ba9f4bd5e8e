"""Note labels for chords and keys: the degree of each note above the root or the tonic.

Such a label stays true under transposition and the name of a key does not. Pitch and class of a note together give
the root, or tonic and the mode.
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

DEGREES = ("1", "b2", "2", "b3", "3", "4", "#4", "5", "b6", "6", "b7", "7")
"""Semitones above the root or tonic."""
MODES = ("major", "minor")
TONAL_CLASSES = tuple(f"{mode} {degree}" for mode in MODES for degree in DEGREES)

_LETTERS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_CHORD = re.compile(r"([A-G])([b#]*):(maj|min|7)(?!sus)")
_KEY = re.compile(r"([A-G])([b#]?)\s*(m|min|minor|maj|major)?\s*$", re.IGNORECASE)


def chord_mode(symbol: str) -> int | None:
    """Return root plus twelve times the mode of a chord in Harte's syntax such as "Bb:min7/5".

    Returns:
        0 to 23. None where there is no major or minor triad: no chord, suspended, diminished, augmented.
    """
    match = _CHORD.match(symbol)
    return None if match is None else _root(match[1], match[2]) + 12 * (match[3] == "min")


def key_mode(text: str) -> int | None:
    """Return tonic plus twelve times the mode of a key as in abc files such as "Bb" or "F#m". None for others."""
    match = _KEY.match(text.strip())
    if match is None:
        return None
    minor = match[3] is not None and match[3].casefold() in ("m", "min", "minor")
    return _root(match[1].upper(), match[2]) + 12 * minor


def tonal_labels(pitch: NDArray[np.integer], tonality: NDArray[np.integer]) -> NDArray[np.int8]:
    """Return the (N,) int8 indices of notes into `TONAL_CLASSES`.

    Args:
        pitch: (N,) MIDI pitches.
        tonality: (N,) root or tonic plus twelve times the mode. -1 leaves a note unlabelled.
    """
    pitch, tonality = pitch.astype(np.int64), tonality.astype(np.int64)
    degree = (pitch - tonality) % 12
    return np.where(tonality < 0, -1, degree + 12 * (tonality // 12)).astype(np.int8)


def _root(letter: str, accidentals: str) -> int:
    return (_LETTERS[letter] + accidentals.count("#") - accidentals.count("b")) % 12
