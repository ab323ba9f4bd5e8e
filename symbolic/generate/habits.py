"""Keep the habits of a track: where its notes begin, how long they last beside the gap to the next, how loud they are.

The model knows music in general. A track has its own share of first beats, of legato and of held notes. Its loudness
differs between registers and changes in the course of a piece, so bars near the passage count more. Where the
model's probabilities of such classes, on average over the notes to be drawn, differ from how often the track has them,
its logits are moved by the logarithm of the ratio: the correction of a prior shift (Saerens et al., Neural Computation
2002). This is repeated until the averages agree (iterative proportional fitting).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from symbolic.generate.canvas import Canvas
from symbolic.generate.passage import Ints, Passage
from symbolic.generate.piece import Piece
from symbolic.generate.sampling import Floats, log_softmax
from symbolic.tokens.vocabulary import BAR, DURATION, PITCH, POSITION, VELOCITY, Vocabulary

HABITS = (POSITION, DURATION, VELOCITY)
"""Fields that tracks have habits of."""
_ENOUGH = 16
"""Notes outside of the passage from which a track has habits."""
_DOUBT = 8.0
"""Notes that the model's own probabilities count for beside those of the track."""
_ROUNDS = 8
_RATIOS = np.array([0.25, 0.5, 0.75, 0.95, 1.06, 1.5, 2.5, 5.0])
"""Bounds of the classes of a duration, as a share of the time to the next onset of its track."""
_LEAST = 1e-9
_REGISTERS = 4
"""Parts of the pitches of a track that have loudnesses of their own: a melody is louder than what is below it."""
_FORGOTTEN = 8.0
"""Bars in which a loudness comes to count half as much."""


class Habits:
    """Counts of positions of a bar, classes of durations, and velocities that tracks have outside of a passage.

    Args:
        piece: Its notes.
        passage: What is to be written.
        vocabulary: Meaning of the values.
    """

    def __init__(self, piece: Piece, passage: Passage, vocabulary: Vocabulary) -> None:
        self._durations, self._end = vocabulary.durations, passage.end
        self._counts: dict[tuple[int, int], Ints | Floats] = {}
        self._edges: dict[int, Floats] = {}
        bar = piece.values[:, BAR]
        away = np.maximum(np.maximum(passage.first - bar, bar - passage.stop + 1), 0)
        near = 0.5 ** (away / _FORGOTTEN)
        for track in passage.tracks.tolist():
            own = piece.track == track
            chosen = own & piece.kept
            if chosen.sum() < _ENOUGH:
                continue
            position, pitch, velocity = piece.values[chosen][:, [POSITION, PITCH, VELOCITY]].T
            self._counts[POSITION, track] = np.bincount(position, minlength=vocabulary.values[POSITION])[None]
            self._edges[track] = np.quantile(pitch, np.arange(1, _REGISTERS) / _REGISTERS)
            loud = np.zeros((_REGISTERS, vocabulary.values[VELOCITY]))
            np.add.at(loud, (self._register(track, pitch), velocity), near[chosen])
            self._counts[VELOCITY, track] = loud
            if not piece.drum[own].any():
                gap = gaps(
                    piece.onset[chosen], piece.onset[own], int((piece.onset + piece.length)[own].max())
                )
                classes = np.searchsorted(_RATIOS, piece.length[chosen] / gap)
                self._counts[DURATION, track] = np.bincount(classes, minlength=len(_RATIOS) + 1)[None]

    def leaning(
        self, canvas: Canvas, rows: Ints, field: int, logits: Floats, allowed: NDArray[np.bool_]
    ) -> Floats:
        """Return (M, V) what to add to logits of the model.

        Args:
            canvas: The tokens.
            rows: (M,) tokens whose field is drawn.
            field: The field, one of `HABITS`.
            logits: (M, V) of the model.
            allowed: (M, V) bool, the values that agree with other notes. A duration beyond them ends with the longest.
        """
        found = np.zeros(logits.shape)
        usable = allowed.any(axis=1) & ((field != DURATION) | ~canvas.hidden[rows, POSITION])
        for track in np.unique(canvas.track[rows]).tolist():
            own = np.flatnonzero((canvas.track[rows] == track) & usable)
            if (field, track) not in self._counts or not len(own):
                continue
            scores = logits[own]
            if field != DURATION:
                classes = np.broadcast_to(np.arange(scores.shape[1]), scores.shape)
                scores = np.where(allowed[own], scores, -np.inf)
            else:
                there = (canvas.track == track) & ~canvas.dropped & ~canvas.hidden[:, POSITION]
                gap = gaps(canvas.onset[rows[own]], canvas.onset[there], self._end)
                longest = np.where(allowed[own], self._durations, 0).max(axis=1)
                lasting = np.minimum(self._durations, longest[:, None])
                classes = np.searchsorted(_RATIOS, lasting / gap[:, None])
            pitch = canvas.values[rows[own], PITCH]
            register = self._register(track, pitch) if field == VELOCITY else np.zeros_like(own)
            for one in np.unique(register).tolist():
                mine = register == one
                found[own[mine]] = _moved(scores[mine], classes[mine], self._counts[field, track][one])
        return found

    def _register(self, track: int, pitch: Ints) -> Ints:
        """Return (N,) registers of (N,) pitches of a track."""
        found: Ints = np.searchsorted(self._edges[track], pitch, side="right")
        return found


def gaps(onset: Ints, onsets: Ints, end: int) -> Ints:
    """Return (N,) positions from (N,) onsets to the next later one of a track, or to an end, one position at least."""
    later = np.append(np.unique(onsets), max(end, int(onsets.max()) + 1))
    found: Ints = later[np.searchsorted(later, onset, side="right")] - onset
    return found


def _moved(logits: Floats, classes: Ints, counts: Ints | Floats) -> Floats:
    """Return (M, V) what to add to logits, so that classes have on average the shares of some counts.

    Args:
        logits: (M, V).
        classes: (M, V) class of each value.
        counts: (C,) how often each class was counted.
    """
    added, target = np.zeros(len(counts)), np.zeros(len(counts))
    for turn in range(_ROUNDS):
        probability = np.exp(log_softmax(logits + added[classes]))
        share = np.bincount(classes.ravel(), probability.ravel(), minlength=len(counts)) / len(logits)
        if turn == 0:
            target = (counts + _DOUBT * share) / (counts.sum() + _DOUBT)
        added += np.log((target + _LEAST) / (share + _LEAST))
    return np.asarray(added[classes])
