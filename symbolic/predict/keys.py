"""Keys and chords by name from classes of notes: the degree of each above its tonic or root."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from symbolic.music.bars import beats
from symbolic.music.notes import Music
from symbolic.predict.tonality import DEGREES, MODES

Probabilities = NDArray[np.float32]
_MAJOR = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
_MINOR = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "G#", "A", "Bb", "B")
KEYS = tuple(
    f"{tonic} {mode}" for mode, names in zip(MODES, (_MAJOR, _MINOR), strict=True) for tonic in names
)
"""Names by tonic plus twelve times the mode, in the usual spelling."""
CHORDS = (*(f"{root}:maj" for root in _MAJOR), *(f"{root}:min" for root in _MINOR))
"""The same as chords, in Harte's syntax."""


_FEW_PITCHES = 4
"""Pitch classes that a key needs at least."""


def key_warnings(music: Music) -> tuple[str, ...]:
    """Return why the key of a piece is hardly more than a guess, as sentences."""
    count = len(np.unique(music.notes["pitch"][~music.drums] % 12))
    if count >= _FEW_PITCHES:
        return ()
    return (
        f"Only {count} of twelve pitch classes sound{'s' * (count == 1)}: the key is hardly more than a guess.",
    )


class Chord(NamedTuple):
    """A chord until the next one.

    Attributes:
        onset: Onset of its first note in ticks.
        seconds: The same in seconds.
        bar: Bar, counted from 1. Every time signature begins one.
        beat: Beat of the bar, counted from 1. In compound time signatures a beat has three units.
        name: One of `CHORDS`.
        confidence: Mean probability that its notes give to it.
    """

    onset: int
    seconds: float
    bar: int
    beat: int
    name: str
    confidence: float


def tonality_probabilities(pitch: NDArray[np.integer], probabilities: Probabilities) -> Probabilities:
    """Return the probability that each note gives to every tonic, or root and mode.

    Args:
        pitch: (N,) MIDI pitches.
        probabilities: (N, 24) probabilities of `symbolic.predict.tonality.TONAL_CLASSES`.

    Returns:
        (N, 24) the same probabilities by tonic plus twelve times the mode.
    """
    steps = len(DEGREES)
    degree = (pitch.astype(np.int64)[:, None] - np.arange(steps)) % steps
    places = np.concatenate([degree, degree + steps], axis=1)
    return np.asarray(np.take_along_axis(probabilities, places, axis=1))


def key_probabilities(music: Music, probabilities: Probabilities) -> dict[str, float]:
    """Return the mean over pitched notes of the probability of every key, the most likely first.

    Args:
        music: A piece of N notes. One at least is pitched.
        probabilities: (N, 24) probabilities of the classes. Those of drums are ignored.
    """
    pitched = ~music.drums
    mean = tonality_probabilities(music.notes["pitch"][pitched], probabilities[pitched]).mean(
        axis=0, dtype=np.float64
    )
    return {KEYS[key]: float(mean[key]) for key in np.argsort(-mean, kind="stable").tolist()}


def chords(music: Music, probabilities: Probabilities) -> list[Chord]:
    """Return chords in time: for each beat, the chord with the highest mean probability over its onsets.

    A chord lasts until a beat with another one. Beats without onsets continue it.

    Args:
        music: A piece of N notes.
        probabilities: (N, 24) probabilities of the classes. Those of drums are ignored.
    """
    order = np.argsort(music.notes["onset"], kind="stable")
    order = order[~music.drums[order]]
    notes = music.notes[order]
    bar, fraction = beats(music, notes["onset"])
    beat = fraction.astype(np.int64)
    fresh = np.flatnonzero(np.diff(bar, prepend=-1) | np.diff(beat, prepend=-1))
    found_by_note = tonality_probabilities(notes["pitch"], probabilities[order]).astype(np.float64)
    sums = np.add.reduceat(found_by_note, fresh, axis=0) if len(fresh) else found_by_note
    best = sums.argmax(axis=1)
    changes = np.flatnonzero(np.diff(best, prepend=-1))
    ends = np.append(changes[1:], len(fresh))
    edges = np.append(fresh, len(notes))
    seconds = music.seconds(notes["onset"][fresh])
    found = []
    for first, end in zip(changes.tolist(), ends.tolist(), strict=True):
        note, chord = int(fresh[first]), int(best[first])
        confidence = float(sums[first:end, chord].sum() / (edges[end] - edges[first]))
        place = int(notes["onset"][note]), float(seconds[first]), int(bar[note]), int(beat[note])
        found.append(Chord(*place, CHORDS[chord], confidence))
    return found
