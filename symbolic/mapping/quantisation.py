"""Decide the place in the beat, the staff and the note value of performed notes: by rules, or by trees."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from symbolic.features.stats import Floats
from symbolic.mapping.features import TICKS, Ints, Performed, onset_features, staff_features, value_features
from symbolic.mapping.rhythm import best_rhythm
from symbolic.mapping.staves import continued, smoothed
from symbolic.predict.classifiers.boosting import BoostedTrees

PLACES = np.array([0, 2, 3, 4, 6, 8, 9, 10, 12, 14, 15, 16, 18, 20, 21, 22, 24])
"""Places in a beat that are told apart, in ticks. The last is the next beat: notes may come before it."""
VALUES = np.array([1, 2, 3, 4, 6, 8, 9, 12, 16, 18, 24, 30, 32, 36, 48, 60, 72, 96, 120, 144])
"""Note values that are told apart, in ticks of a beat."""
STAVES = 2
_MIDDLE_C = 60
_GRIDS = {1: 0.0, 2: 0.3, 4: 0.9, 3: 1.2, 8: 2.6, 6: 2.4}
"""Cost of dividing a beat evenly, in squared deviations."""
_SPREAD = 0.05
"""Usual deviation of an onset from its place, in beats."""
_HELD = 0.12
"""Share of the time to the next onset of its staff for which a note sounds that is written to last until then."""


class Quantiser(Protocol):
    """An object that decides about the notes of a performance."""

    def onsets(self, notes: Performed) -> Ints:
        """Return (N,) onsets in `TICKS` of a beat. The notes of a chord have the same."""

    def staves(self, notes: Performed) -> Ints:
        """Return (N,) 0 for the upper and 1 for the lower staff."""

    def values(self, notes: Performed, onset: Ints, staff: Ints, in_bar: int, unit: float) -> Ints:
        """Return (N,) note values in `TICKS` of a beat.

        Args:
            notes: The performed notes.
            onset: (N,) from `onsets`.
            staff: (N,) from `staves`.
            in_bar: Beats of a bar.
            unit: Quarter notes of a beat.
        """


class Rules:
    """Quantise by rules: the simplest grid that fits each beat, notes held until the next, hands apart at middle C."""

    def onsets(self, notes: Performed) -> Ints:
        """Return (N,) onsets in `TICKS`: of the grids of a beat, the one with the least deviation and cost."""
        time = _chord_means(notes.onset, notes)
        beat = np.floor(time).astype(np.int64)
        number = beat - beat.min(initial=0)
        costs, places = [], []
        for grid, cost in _GRIDS.items():
            place = np.round(time * grid) / grid
            missed = np.square((time - place) / _SPREAD)
            # Two chords in one place are worse than a fine grid.
            merged = np.diff(place, prepend=-np.inf) == 0
            costs.append(cost + np.bincount(number, np.minimum(missed, 9) + 4 * merged))
            places.append(place)
        best = np.array(costs).argmin(axis=0)[number]
        chosen = np.array(places)[best, np.arange(len(time))]
        return np.asarray(np.round(chosen * TICKS).astype(np.int64)[notes.chord])

    def staves(self, notes: Performed) -> Ints:
        """Return (N,) 1 below middle C and 0 from there on."""
        return np.asarray(notes.pitch < _MIDDLE_C, dtype=np.int64)

    def values(self, notes: Performed, onset: Ints, staff: Ints, in_bar: int, unit: float) -> Ints:
        """Return (N,) the time to the next onset of the staff. Shorter notes get the nearest value."""
        length = (notes.end - notes.onset) * TICKS
        nearest = VALUES[np.abs(np.log(np.maximum(length, 1))[:, None] - np.log(VALUES)).argmin(axis=1)]
        found = nearest.copy()
        for one in range(STAVES):
            here = np.flatnonzero(staff == one)
            own = np.unique(onset[here])
            after = np.searchsorted(own, onset[here], side="right")
            inside = after < len(own)
            gap = own[np.minimum(after, len(own) - 1)] - onset[here]
            until_next = inside & (length[here] >= _HELD * gap) & (gap <= 4 * TICKS)
            found[here] = np.where(until_next, gap, nearest[here])
        return np.asarray(found)


class Trees:
    """Quantise by trees that were fitted to pairs of performances and scores.

    Args:
        places: Trees of `PLACES`.
        staff: Trees of the two staves.
        value: Trees of `VALUES`.
        rhythm: Table of steps between chords from `rhythm_table`.
    """

    def __init__(
        self, places: BoostedTrees, staff: BoostedTrees, value: BoostedTrees, rhythm: Floats
    ) -> None:
        self._places, self._staff, self._value, self._rhythm = places, staff, value, rhythm

    def onsets(self, notes: Performed) -> Ints:
        """Return (N,) onsets in `TICKS`: the places of all chords that are most likely together."""
        logits = self._places.logits(onset_features(notes))
        logits -= np.logaddexp.reduce(logits, axis=1, keepdims=True)
        first = np.flatnonzero(np.diff(notes.chord, prepend=-1))
        # Notes of a chord say nearly the same, so that their sum would be too sure.
        together = np.add.reduceat(logits, first) / np.sqrt(np.diff(first, append=len(logits)))[:, None]
        beat = np.floor(_chord_means(notes.onset, notes)).astype(np.int64)
        return best_rhythm(together, beat[:, None] * TICKS + PLACES, self._rhythm)[notes.chord]

    def staves(self, notes: Performed) -> Ints:
        """Return (N,) the staves that are most likely together, so that a line keeps its staff."""
        logits = self._staff.logits(staff_features(notes))
        return smoothed(logits[:, 1] - logits[:, 0], *continued(notes))

    def values(self, notes: Performed, onset: Ints, staff: Ints, in_bar: int, unit: float) -> Ints:
        """Return (N,) the most likely note values in `TICKS`."""
        features = value_features(notes, onset, staff, in_bar, unit)
        return np.asarray(VALUES[self._value.logits(features).argmax(axis=1)])


def _chord_means(values: Floats, notes: Performed) -> Floats:
    """Return the mean of each chord."""
    first = np.flatnonzero(np.diff(notes.chord, prepend=-1))
    return np.asarray(np.add.reduceat(values, first) / np.diff(first, append=len(values)))
