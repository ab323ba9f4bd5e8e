"""The texture of a piece in a few numbers: they tell whether its highest line or the model's line is the melody."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from symbolic.features.note_table import NoteTable
from symbolic.features.stats import Floats

MAKES = (
    *("notes_together", "three_together", "two_together", "unevenness", "sounding", "equal_lengths"),
    *("doublings", "gap_below_top", "unisons", "range"),
)
"""What the notes alone tell."""
RATINGS = ("highest", "melody", "melody_on_top", "top_as_melody", "sureness", "best_of_onsets", "best_track")
"""What a model, the skyline and the tracks say of the notes."""
TEXTURE = (*MAKES, *RATINGS)
"""Names of the numbers of `texture`."""
_WIDE = 24
"""Semitones that a gap counts at most."""
_ALIKE = 0.2
"""Octaves by which equal lengths may differ."""
_SHORT = 0.01
"""Seconds below which lengths and overlaps do not count."""


def texture(
    table: NoteTable,
    above: NDArray[np.bool_],
    melody: Floats,
    tracks: NDArray[np.integer] | None = None,
) -> Floats:
    """Describe a piece. No number depends on its key, tempo, length or velocities.

    Args:
        table: Its N > 0 notes in order of onsets, without drums.
        above: (N,) whether a note is on the skyline.
        melody: (N,) probability of melody of each note.
        tracks: (N,) track of each note. None where tracks do not vote.

    Returns:
        (T,) numbers in the order of `TEXTURE`.
    """
    count, sizes, first = len(table), table.sizes, table.first
    chords = sizes > 1
    highest = table.pitch[table.top][chords]
    second = table.pitch[table.by_height[(first + sizes - 2)[chords]]]
    gaps = np.minimum(highest - second, _WIDE)
    ended = np.searchsorted(np.sort(table.seconds + table.durations), table.seconds + _SHORT, side="right")
    lengths = np.log2(table.durations + _SHORT)
    alike = np.abs(lengths - lengths[table.top][table.stroke]) < _ALIKE
    in_chord = chords[table.stroke]
    classes = len(np.unique(table.stroke * 12 + table.pitch % 12))
    return np.array(
        [
            np.log(sizes.mean()),
            (sizes > 2).mean(),
            chords.mean(),
            sizes.std() / sizes.mean(),
            np.log1p(np.maximum(np.arange(count) - ended, 0).mean()),
            alike[in_chord].mean() if chords.any() else 1.0,
            1 - classes / count,
            gaps.mean() / 12 if chords.any() else 0.0,
            (gaps == 0).mean() if chords.any() else 0.0,
            table.pitch.std() / 12,
            above.mean(),
            melody.mean(),
            melody[above].sum() / max(float(melody.sum()), 1e-6),
            melody[above].mean(),
            np.abs(2 * melody - 1).mean(),
            np.maximum.reduceat(melody, first).mean(),
            0.0 if tracks is None else _largest_share(melody, tracks),
        ]
    )


def _largest_share(melody: Floats, tracks: NDArray[np.integer]) -> float:
    """Share of all melody that is on the track with most of it."""
    _, place = np.unique(tracks, return_inverse=True)
    return float(np.bincount(place, melody).max() / max(float(melody.sum()), 1e-6))
