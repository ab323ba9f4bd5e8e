"""Compare each note with those that begin or sound with it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from symbolic.features.note_table import values_of
from symbolic.tokens.grid import bar_starts
from symbolic.tokens.vocabulary import BAR, DRUM_PITCH, DURATION, PITCH, POSITION, TIME_SIGNATURE, Vocabulary


class Chords(NamedTuple):
    """The place of each note among those with the same onset. All arrays are (N,) int64.

    Attributes:
        onset: Number of its onset in the piece in time order.
        size: Number of notes with this onset.
        rank: Number of higher notes among them. 0 is the top. Drums rank below all pitches.
    """

    onset: NDArray[np.int64]
    size: NDArray[np.int64]
    rank: NDArray[np.int64]


def chords(tokens: NDArray[np.integer]) -> Chords:
    """Group notes by onset.

    Args:
        tokens: (N, 8) ids of one piece or window, N > 0.
    """
    values = values_of(tokens)
    _, onset, sizes = np.unique(
        (values[:, BAR] << 16) + values[:, POSITION], return_inverse=True, return_counts=True
    )
    pitch = values[:, PITCH]
    depth = onset * 512 + np.where(pitch < DRUM_PITCH, DRUM_PITCH - pitch, 256)  # by onset, highest first
    first = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    rank = np.searchsorted(np.sort(depth), depth) - first[onset]
    return Chords(onset, sizes[onset], rank)


def times(
    tokens: NDArray[np.integer], vocabulary: Vocabulary | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return onset and end of each note in positions from the piece's first bar, and its pitch value.

    Args:
        tokens: (N, 8) ids of one piece or window.
        vocabulary: The vocabulary of the ids.
    """
    voc, values = vocabulary or Vocabulary(), values_of(tokens)
    starts, _ = bar_starts(values[:, BAR], values[:, TIME_SIGNATURE], voc)
    onset = np.asarray(starts + values[:, POSITION], dtype=np.int64)
    return onset, onset + voc.durations[values[:, DURATION]].astype(np.int64), values[:, PITCH]


def under_another(tokens: NDArray[np.integer], vocabulary: Vocabulary | None = None) -> NDArray[np.bool_]:
    """Return (N,) bool. True where a higher note sounds when a note begins.

    Args:
        tokens: (N, 8) ids of one piece or window. Drums count as lower than all pitches.
        vocabulary: The vocabulary of the ids.
    """
    onset, end, pitch = times(tokens, vocabulary)
    pitch = np.where(pitch < DRUM_PITCH, pitch, -1)
    under = np.zeros(len(tokens), dtype=bool)
    for level in np.unique(pitch):
        higher, here = pitch > level, pitch == level
        begun = np.searchsorted(np.sort(onset[higher]), onset[here], side="right")
        ended = np.searchsorted(np.sort(end[higher]), onset[here], side="right")
        under[here] = begun > ended
    return under
