"""Keep the intervals of a piece: between notes that begin together, are neighbours in a track, or are a bar apart.

The model draws several pitches in a step, and a small one is not sure of harmony. So its chords have too many seconds,
and its figures repeat too little. Its logits are moved by one number for each interval to each visible note, so
that intervals have on average the shares that they have elsewhere in the piece: a log-linear model, by iterative
scaling (Darroch & Ratcliff, 1972).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from symbolic.generate.canvas import Canvas
from symbolic.generate.passage import Ints, Passage
from symbolic.generate.piece import Piece
from symbolic.generate.sampling import Floats, log_softmax
from symbolic.music.notes import DRUM_PROGRAM
from symbolic.tokens.vocabulary import BAR, PITCH, POSITION, PROGRAM

_ENOUGH = 32
"""Intervals of one kind outside of the passage from which a track has its own."""
_DOUBT = 16.0
"""Intervals that the model's own probabilities count for beside those of the track."""
_ROUNDS = 8
_WIDEST = 24
"""Semitones. A larger interval counts as one an octave or more smaller, above an octave."""
_CLASSES = _WIDEST + 1
_KINDS = 3
"""Together; successive in a track; at one place of successive bars in a track."""
_BAR = 1 << 16
"""More than the positions of a bar."""
_RARE = 1e-3
_LEAST = 1e-9


class Intervals:
    """Counts of the intervals that tracks have outside of a passage.

    Args:
        piece: Its notes.
        passage: What is to be written.
    """

    def __init__(self, piece: Piece, passage: Passage) -> None:
        pitch, place_of = piece.values[:, PITCH], _places(piece.values)
        seen = piece.kept & ~piece.drum
        self._counts: dict[int, Floats] = {}
        for own in passage.tracks.tolist():
            rows = np.flatnonzero(seen & (piece.track == own))
            if not len(rows):
                continue
            counts = np.zeros((_KINDS, _CLASSES))
            for kind, (place, other) in enumerate(
                _neighbours(piece.onset, place_of, piece.track, rows, seen)
            ):
                counts[kind] = np.bincount(_interval(pitch[rows[place]], pitch[other]), minlength=_CLASSES)
            if counts.sum() >= _ENOUGH:
                self._counts[own] = counts

    def leaning(self, canvas: Canvas, rows: Ints, near: Ints, logits: Floats) -> Floats:
        """Return (M, V) what to add to logits of pitches.

        Args:
            canvas: The tokens.
            rows: (M,) tokens whose pitch is drawn.
            near: (K,) tokens that may begin near them.
            logits: (M, V) of the model. Pitches that are ruled out have minus infinity.
        """
        found = np.zeros(logits.shape)
        there = near[~canvas.hidden[near, POSITION] & ~canvas.dropped[near]]
        there = there[canvas.values[there, PROGRAM] != DRUM_PROGRAM]
        visible = ~canvas.hidden[there, PITCH]
        onset, track, pitch = canvas.onset[there], canvas.track[there], canvas.values[there, PITCH]
        place_of = _places(canvas.values[there])
        for own in np.unique(canvas.track[rows]).tolist():
            chosen = np.flatnonzero((canvas.track[rows] == own) & np.isin(rows, there))
            if own not in self._counts or not len(chosen):
                continue
            own_rows = np.searchsorted(there, rows[chosen])
            pairs = _neighbours(onset, place_of, track, own_rows, visible)
            # Of pitches that are hardly ever drawn none is worth its time: they lean as the least does.
            value = np.flatnonzero(np.exp(log_softmax(logits[chosen])).max(axis=0) > _RARE)
            shape = (len(chosen), len(value), _KINDS, _CLASSES)
            cells = [
                (place[:, None], np.arange(len(value)), kind, _interval(value, pitch[other][:, None]))
                for kind, (place, other) in enumerate(pairs)
            ]
            flat = [np.ravel_multi_index(np.broadcast_arrays(*one), shape).ravel() for one in cells]
            met = np.bincount(np.concatenate(flat), minlength=math.prod(shape)).reshape(shape)
            leaning = _scaled(logits[np.ix_(chosen, value)], met.astype(np.float32), self._counts[own])
            found[chosen] = leaning.min(axis=1, keepdims=True)
            found[np.ix_(chosen, value)] = leaning
        return found


def _interval(one: Ints, other: Ints) -> Ints:
    """Return intervals in semitones, none beyond `_WIDEST`."""
    apart = np.abs(one - other)
    return np.asarray(np.where(apart > _WIDEST, 13 + (apart - 13) % 12, apart))


def _places(values: Ints) -> Ints:
    """Return (N,) numbers of the places of tokens: bar and position."""
    return values[:, BAR] * _BAR + values[:, POSITION]


def _neighbours(
    onset: Ints, place: Ints, track: Ints, rows: Ints, visible: NDArray[np.bool_]
) -> list[tuple[Ints, Ints]]:
    """Return the pairs of some tokens of one track with visible ones, of each of `_KINDS`.

    Args:
        onset: (N,) onsets of the tokens.
        place: (N,) from `_places`.
        track: (N,) tracks.
        rows: (M,) tokens of one track.
        visible: (N,) bool, the others that may be in a pair.

    Returns:
        For each kind the places in `rows`, and the other tokens.
    """
    own = track == track[rows[:1]]
    times, of_track = np.unique(onset[own]), np.flatnonzero(visible & own)
    at = np.searchsorted(times, onset[rows])
    first, other = _at(onset, np.flatnonzero(visible), onset[rows])
    others = other != rows[first]
    before, after = (times[np.clip(at + step, 0, len(times) - 1)] for step in (-1, 1))
    return [
        (first[others], other[others]),
        _both(onset, of_track, np.where(at > 0, before, -1), np.where(at < len(times) - 1, after, -1)),
        _both(place, of_track, place[rows] - _BAR, place[rows] + _BAR),
    ]


def _both(onset: Ints, others: Ints, before: Ints, after: Ints) -> tuple[Ints, Ints]:
    """Return the pairs of `_at` for earlier and for later times."""
    found = [_at(onset, others, times) for times in (before, after)]
    return np.concatenate([one for one, _ in found]), np.concatenate([other for _, other in found])


def _at(onset: Ints, others: Ints, times: Ints) -> tuple[Ints, Ints]:
    """Return the pairs of (M,) times with those of some tokens that begin then, as places and tokens."""
    others = others[np.argsort(onset[others], kind="stable")]
    first, stop = (np.searchsorted(onset[others], times, side=side) for side in ("left", "right"))
    sizes = stop - first
    place = np.repeat(np.arange(len(times)), sizes)
    inside = np.arange(len(place)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return place, others[first[place] + inside]


def _scaled(logits: Floats, met: NDArray[np.float32], counts: Floats) -> Floats:
    """Return (M, V) what to add to logits.

    Args:
        logits: (M, V).
        met: (M, V, kinds, classes) how many intervals of each class a value would make.
        counts: (kinds, classes) how often each was counted.
    """
    flat = met.reshape(len(logits), logits.shape[1], -1)
    pairs = met[:, 0].sum(axis=(0, 2))  # of each kind: the same for all values
    most = max(float(met[:, 0].sum(axis=(1, 2)).max()), 1.0)
    added, target = np.zeros(counts.shape), counts
    for turn in range(_ROUNDS):
        probability = np.exp(log_softmax(logits + flat @ added.ravel().astype(np.float32)))
        share = (probability.ravel().astype(np.float32) @ flat.reshape(-1, counts.size)).reshape(counts.shape)
        share /= np.maximum(pairs, 1)[:, None]
        if turn == 0:
            target = (counts + _DOUBT * share) / (counts.sum(axis=1, keepdims=True) + _DOUBT)
        step = np.log((target + _LEAST) / (share + _LEAST))
        added += np.where((pairs > 0)[:, None], step, 0.0) / np.sqrt(most)
    return np.asarray(flat @ added.ravel())
