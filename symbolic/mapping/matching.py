"""Find the score of a performance: first by statistics of pitches, then by an alignment of excerpts.

An excerpt may begin anywhere in the score, so that repeats, cuts and single movements do no harm. The key must be the
same: a transposed performance is not found.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from symbolic.features.stats import Floats
from symbolic.mapping.features import CHORD_SECONDS
from symbolic.music.notes import Music

_PITCHES = 128
_EXCERPTS, _CHORDS = 5, 64
"""Excerpts that are aligned, and their length in chords."""
_REPEATED = 0.35
"""Similarity that a step loses which stays on a chord of the score or leaves one out."""


class Sounds(NamedTuple):
    """The chords of a piece and statistics of its pitches.

    Attributes:
        chords: (C, 128) float64, rows of unit length: the pitches that begin together.
        statistics: (S,) numbers of unit length: how often pitches, and pairs of pitch classes in turn, occur.
    """

    chords: Floats
    statistics: Floats


class Match(NamedTuple):
    """A score and its likeness to a performance.

    Attributes:
        score: Index of the score.
        alignment: Mean similarity of aligned chords, from 0 to 1 for the same pitches in the same order.
        statistics: Cosine of the statistics.
    """

    score: int
    alignment: float
    statistics: float


def sounds_of(music: Music) -> Sounds:
    """Return chords and statistics of a piece. Drums are left out.

    Args:
        music: A performance or a score.
    """
    notes = music.notes[~music.drums]
    notes = notes[np.lexsort((notes["pitch"], notes["onset"]))]
    onset, pitch = music.seconds(notes["onset"]), notes["pitch"].astype(np.int64)
    chord = np.cumsum(np.diff(onset, prepend=-np.inf) > CHORD_SECONDS) - 1
    chords = np.zeros((int(chord.max(initial=-1)) + 1, _PITCHES))
    chords[chord, pitch] = 1
    chords /= np.maximum(np.linalg.norm(chords, axis=1, keepdims=True), 1)
    pairs = np.bincount(pitch[:-1] % 12 * 12 + pitch[1:] % 12, minlength=144)
    parts = [_unit(np.sqrt(counts)) for counts in (np.bincount(pitch, minlength=_PITCHES), pairs)]
    return Sounds(chords, np.concatenate(parts) / np.sqrt(len(parts)))


def ranked(performance: Sounds, scores: list[Sounds], most: int = 10, aligned: int = 20) -> list[Match]:
    """Return the scores that fit a performance best, the best first.

    Args:
        performance: The performance.
        scores: Candidates.
        most: How many to return.
        aligned: How many are aligned, those with the nearest statistics. The others are not returned.
    """
    cosines = np.array([one.statistics @ performance.statistics for one in scores])
    near = np.argsort(-cosines, kind="stable")[: max(most, aligned)].tolist()
    found = [Match(one, aligned_share(performance, scores[one]), float(cosines[one])) for one in near]
    return sorted(found, key=lambda match: (-match.alignment, -match.statistics))[:most]


def aligned_share(performance: Sounds, score: Sounds) -> float:
    """Return the mean similarity of excerpts of a performance along their best paths through a score, 0 to 1."""
    chords = performance.chords
    if not len(chords) or not len(score.chords):
        return 0.0
    length = min(_CHORDS, len(chords))
    begins = np.unique(np.linspace(0, len(chords) - length, _EXCERPTS).astype(np.int64))
    return float(np.mean([_path(chords[one : one + length] @ score.chords.T) for one in begins]))


def _path(similarity: Floats) -> float:
    """Return the mean similarity along the best path from any column on, by dynamic time warping.

    Args:
        similarity: (M, C) of the chords of an excerpt and of a score.
    """
    best = similarity[0].copy()
    for row in similarity[1:]:
        step = best - _REPEATED  # stays on the chord
        np.maximum(step[1:], best[:-1], out=step[1:])
        np.maximum(step[2:], best[:-2] - _REPEATED, out=step[2:])
        best = step + row
    return max(float(best.max()) / len(similarity), 0.0)


def _unit(values: Floats) -> Floats:
    return np.asarray(values / max(float(np.linalg.norm(values)), 1e-12))
