"""Baselines of note-level tasks: fixed rules and tables of a note's nearest surroundings.

Each is fitted on a task's training pieces or on nothing. It returns what predicts the (N,) classes of a piece.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from finetune.tasks.data import Predictor, Rows, TaskData
from symbolic.features import chords, under_another
from symbolic.features.harmony import beat_histograms
from symbolic.features.onsets import times
from symbolic.music.profiles import KEY_PROFILES
from symbolic.predict.tonality import tonal_labels
from symbolic.tokens.vocabulary import DRUM_PITCH, PITCH, POSITION, Vocabulary

Context = Callable[[Rows], tuple[NDArray[np.int64], ...]]
"""From a piece's tokens to (N,) indices, the first the finest, into a table."""

LARGEST_CHORD = 8
"""Chord sizes and ranks of the note table stop here; larger ones are rare and counted together."""
SPANS = 6
"""Bins of the times in the rhythm table, each twice as long as the one before, from an eighth of a quarter on."""
POSITIONS = 256
PRIOR = 20.0
"""So many notes without regard to position weigh as much as those at one position of the bar."""
TRIADS = np.zeros((2, 12))
TRIADS[0, [0, 4, 7]] = TRIADS[1, [0, 3, 7]] = 1
_KEYS = np.arange(24)
_TURNED = np.arange(12)[None] - np.arange(12)[:, None]


def skyline(data: TaskData) -> Predictor:
    """Predict melody (the first class) for notes above all that sound at their onset, else the last class.

    Uitdenbogerd & Zobel (1998), "Manipulation of music for melody matching". Nothing is fitted.
    """
    other = len(data.task.classes) - 1
    return lambda tokens: np.where(under_another(tokens), other, 0)


def note_table(data: TaskData) -> Predictor:
    """Predict the most frequent class of training notes with the same pitch, chord size and rank in the chord.

    Combinations that training never shows get the most frequent class of their rank in a chord of that size.
    """
    counts = _counted(data, _note_context, (256, LARGEST_CHORD + 1, LARGEST_CHORD + 1))
    # A fraction of the pitch-blind counts decides only where a pitch was never seen.
    without_pitch = counts.sum(axis=0) / (counts.sum() + 1)
    table = (counts + 0.5 * without_pitch).argmax(axis=-1)
    return lambda tokens: np.asarray(table[_note_context(tokens)])


def rhythm_table(data: TaskData) -> Predictor:
    """Predict the most frequent class of training notes with the same bar position, similar times and rank.

    The times are those since the last onset and to the next and the note's own length.
    """
    counts = _counted(data, _rhythm_context, (POSITIONS, SPANS, SPANS, SPANS, 2))
    anywhere = counts.sum(axis=0)
    shares = anywhere / np.maximum(anywhere.sum(axis=-1, keepdims=True), 1)
    table = (counts + PRIOR * shares).argmax(axis=-1)
    return lambda tokens: np.asarray(table[_rhythm_context(tokens)])


def key_profiles(data: TaskData) -> Predictor:
    """Return `degrees_by_profiles`, to which nothing is fitted."""
    return degrees_by_profiles


def degrees_by_profiles(tokens: Rows, profiles: NDArray[np.float64] = KEY_PROFILES) -> NDArray[np.int64]:
    """Predict degrees of the key whose profile correlates most with the pitch classes, weighted by length.

    Krumhansl & Schmuckler's algorithm.

    Args:
        tokens: (N, 8) ids.
        profiles: (2, 12) of major and minor by semitones above the tonic.
    """
    onset, end, pitch = times(tokens)
    pitched = pitch < DRUM_PITCH
    weights = np.bincount(pitch[pitched] % 12, (end - onset)[pitched], minlength=12)
    key = int((_rotated(profiles) @ (weights - weights.mean())).argmax())
    return tonal_labels(pitch, np.full(len(tokens), key)).astype(np.int64)


def triads(data: TaskData) -> Predictor:
    """Return `degrees_by_triads`, to which nothing is fitted."""
    return degrees_by_triads


def degrees_by_triads(tokens: Rows) -> NDArray[np.int64]:
    """Predict degrees of the triad most similar to the notes of each quarter. Its lowest note counts twice.

    Fujishima (1999), "Realtime chord recognition of musical sound".
    """
    weights, lowest, beat = beat_histograms(tokens)
    bass = np.flatnonzero(lowest < DRUM_PITCH)
    weights[bass, lowest[bass] % 12] *= 2
    found = (weights @ _rotated(TRIADS).T).argmax(axis=1)[beat]
    return tonal_labels(times(tokens)[2], found).astype(np.int64)


def _rotated(profiles: NDArray[np.float64]) -> NDArray[np.float64]:
    """(24, 12): a major and a minor profile on every root, each of mean 0 and length 1."""
    centred = profiles - profiles.mean(axis=1, keepdims=True)
    normed = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    return np.asarray(normed[:, _TURNED].reshape(len(_KEYS), 12))


def _counted(data: TaskData, context: Context, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Count the classes of the training notes in each context: (*shape, C)."""
    counts = np.zeros((*shape, len(data.task.classes)), dtype=np.int64)
    for tokens, truth in data.pieces("train"):
        scored = truth >= 0
        places = np.stack([*context(tokens), truth])[:, scored]
        np.add.at(counts, tuple(places), 1)
    return counts


def _note_context(tokens: Rows) -> tuple[NDArray[np.int64], ...]:
    """Pitch id, chord size and rank of each note."""
    chord = chords(tokens)
    return (
        np.minimum(tokens[:, PITCH].astype(np.int64), 255),
        np.minimum(chord.size, LARGEST_CHORD),
        np.minimum(chord.rank, LARGEST_CHORD),
    )


def _rhythm_context(tokens: Rows) -> tuple[NDArray[np.int64], ...]:
    """Position in the bar, binned times before, after and of each note, and whether it is the top of its chord."""
    chord = chords(tokens)
    onset, end, _ = times(tokens)
    onsets = np.unique(onset)
    place = np.searchsorted(onsets, onset)
    gaps = np.diff(onsets, prepend=onsets[0], append=onsets[-1])
    return (
        np.minimum(tokens[:, POSITION].astype(np.int64), POSITIONS - 1),
        _binned(gaps[place]),
        _binned(gaps[place + 1]),
        _binned(end - onset),
        (chord.rank == 0).astype(np.int64),
    )


def _binned(positions: NDArray[np.int64]) -> NDArray[np.int64]:
    logs = np.log2(np.maximum(positions, 1) * 8 / Vocabulary().positions_per_quarter)
    return np.asarray(np.clip(np.floor(logs) + 1, 0, SPANS - 1), dtype=np.int64)
