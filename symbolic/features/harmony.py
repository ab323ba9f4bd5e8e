"""Histograms of pitch classes from which keys and chords are recognised; needs numpy alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from symbolic.features.onsets import times
from symbolic.features.stats import Floats, Ints
from symbolic.tokens.vocabulary import DRUM_PITCH, Vocabulary

STEPS = 12
KEY_KINDS = (
    *("length", "onsets", "beginning", "end", "last chord"),
    *("bass", "top", "last bass", "last top", "first bass", "local"),
)
"""Histograms of a piece, by what weighs the pitch classes."""
CHORD_KINDS = (
    *("beat", "beat before", "beat after", "two before", "two after", "bar around"),
    *("bass", "bass before", "bass after", "piece"),
)
"""Histograms of a beat."""
_LONGEST, _EDGE, _LOCAL = 8, 4, 8
"""In quarters: the longest length that counts, the beginning and the end of a piece, and a stretch of it."""


def key_histograms(tokens: NDArray[np.integer]) -> Floats:
    """Return histograms of a piece by which its key is recognised.

    Args:
        tokens: (N, 8) ids. Drums are left out.

    Returns:
        (len(KEY_KINDS), 12) square roots of shares by pitch class. All are 0 without pitched notes.
    """
    onset, end, pitch, quarter = _pitched(tokens)
    if len(pitch) == 0:
        return np.zeros((len(KEY_KINDS), STEPS))
    length = np.minimum(end - onset, _LONGEST * quarter).astype(np.float64)
    first = np.flatnonzero(np.diff(onset, prepend=-1))
    edges = np.append(first, len(onset))
    order = np.lexsort((pitch, onset))
    low, top = pitch[order[edges[:-1]]], pitch[order[edges[1:] - 1]]
    gap = np.minimum(np.diff(np.append(onset[first], end.max())), _LONGEST * quarter).astype(np.float64)
    one, last = np.ones(len(pitch)), len(low) - 1
    weights = [
        (pitch, length),
        (pitch, one),
        (pitch, length * (onset < onset[0] + _EDGE * quarter)),
        (pitch, length * (end > end.max() - _EDGE * quarter)),
        (pitch, one * (onset == onset[-1])),
        (low, gap),
        (top, gap),
        (low[last:], one[:1]),
        (top[last:], one[:1]),
        (low[:1], one[:1]),
    ]
    stretch = onset // (_LOCAL * quarter)
    local = np.zeros((int(stretch.max()) + 1, STEPS))
    np.add.at(local, (stretch, pitch % STEPS), length)
    whole: Floats = np.stack(
        [np.bincount(values % STEPS, weight, minlength=STEPS) for values, weight in weights], dtype=np.float64
    )
    return np.concatenate([_roots(whole), _roots(local[local.any(axis=1)]).mean(axis=0)[None]])


def chord_histograms(tokens: NDArray[np.integer]) -> tuple[Floats, Ints]:
    """Return histograms of each beat by which its chord is recognised, and the beat of each note.

    Args:
        tokens: (N, 8) ids. Drums are left out of the histograms.

    Returns:
        (B, len(CHORD_KINDS), 12) square roots of shares by pitch class, and (N,) the beat in which a note begins.
        A beat is a quarter.
    """
    weights, lowest, beat = beat_histograms(tokens)
    bass = np.zeros_like(weights)
    filled = np.flatnonzero(lowest < DRUM_PITCH)
    bass[filled, lowest[filled] % STEPS] = 1.0
    around = sum(_moved(weights, step) for step in (-2, -1, 0, 1, 2))
    piece = np.broadcast_to(weights.sum(axis=0), weights.shape)
    kinds = [
        *(_moved(weights, step) for step in (0, -1, 1, -2, 2)),
        np.asarray(around),
        *(_moved(bass, step) for step in (0, -1, 1)),
        piece,
    ]
    return np.stack([_roots(one) for one in kinds], axis=1), beat


def beat_histograms(tokens: NDArray[np.integer]) -> tuple[Floats, Ints, Ints]:
    """Return how long each pitch class sounds in each beat, and the lowest pitch there.

    Args:
        tokens: (N, 8) ids. Drums do not count.

    Returns:
        (B, 12) positions, at least one for each note in the beat. (B,) lowest pitches, `DRUM_PITCH` where none sounds.
        And (N,) the beat in which each note begins. A beat is a quarter.
    """
    quarter = Vocabulary().positions_per_quarter
    onset, end, pitch = times(tokens)
    first, last = onset // quarter, np.maximum(end - 1, onset) // quarter
    weights = np.zeros((int(last.max(initial=0)) + 1, STEPS))
    lowest = np.full(len(weights), DRUM_PITCH)
    pitched = pitch < DRUM_PITCH
    for step in range(int((last - first)[pitched].max(initial=-1)) + 1):
        here = pitched & (first + step <= last)
        beat = first[here] + step
        sounding = np.minimum(end[here], (beat + 1) * quarter) - np.maximum(onset[here], beat * quarter)
        np.add.at(weights, (beat, pitch[here] % STEPS), np.maximum(sounding, 1))
        np.minimum.at(lowest, beat, pitch[here])
    return weights, lowest, first


def _pitched(tokens: NDArray[np.integer]) -> tuple[Ints, Ints, Ints, int]:
    """Return onsets, ends and pitches of pitched notes by rising onset, and the positions of a quarter."""
    onset, end, pitch = times(tokens)
    order = np.argsort(onset, kind="stable")
    order = order[pitch[order] < DRUM_PITCH]
    return onset[order], end[order], pitch[order], Vocabulary().positions_per_quarter


def _roots(weights: Floats) -> Floats:
    """Return the square roots of shares along the last axis; 0 where there is nothing."""
    total = weights.sum(axis=-1, keepdims=True)
    return np.asarray(np.sqrt(weights / np.where(total > 0, total, 1.0)))


def _moved(rows: Floats, steps: int) -> Floats:
    """Return rows in whose place those some steps later stand. Beyond the ends are zeros."""
    found = np.zeros_like(rows)
    if steps >= 0:
        found[: len(rows) - steps] = rows[steps:]
    else:
        found[-steps:] = rows[:steps]
    return found
