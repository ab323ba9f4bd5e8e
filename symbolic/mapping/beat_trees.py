"""Find beats and bars of a performance by trees that were fitted to annotated performances."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from symbolic.features.stats import Floats, softmax
from symbolic.mapping.beat_path import best_beats
from symbolic.mapping.chords import Chords, chord_features
from symbolic.mapping.grid import on_grid
from symbolic.mapping.metre import IN_BAR, downbeats, metre_features, strong_beats
from symbolic.mapping.pairs import pair_features, possible_pairs
from symbolic.mapping.tracking import RuleTracking, Tracking, covering
from symbolic.predict.classifiers.boosting import BoostedTrees

PLACES = 3
"""A chord lies between beats, on a beat or on a downbeat."""
_FEWEST, _TOGETHER = 12, 0.02
"""Chords, and share of notes that begin with others, below which rules find the beats: (n)ASAP has no single voices."""


class TreeTracker:
    """Find beats in three steps: likely beats, likely pairs of beats and the best path through pairs.

    Args:
        chord: Trees of the three places of a chord.
        pair: Trees of whether two chords are one beat apart.
        metre: Trees of `metre.IN_BAR`.
    """

    def __init__(self, chord: BoostedTrees, pair: BoostedTrees, metre: BoostedTrees) -> None:
        self.chord, self.pair, self.metre = chord, pair, metre

    def __call__(self, chords: Chords) -> Tracking:
        """Read a performance. Rules serve what trees do not know, and a grid what keeps an exact tempo."""
        return on_grid(chords, RuleTracking(chords) if _is_plain(chords) else TreeTracking(self, chords))


class TreeTracking:
    """Find beats and bars of one performance by trees.

    Args:
        tracker: The trees.
        chords: The chords of the performance.
    """

    def __init__(self, tracker: TreeTracker, chords: Chords) -> None:
        self._tracker, self._chords = tracker, chords

    def beats(self) -> Floats:
        """Return rising times of beats in seconds, two or more, that enclose the music."""
        time = self._chords.time
        return covering(path(self._chords, self.places, self._tracker.pair), float(time[0]), float(time[-1]))

    def bars(self, beats: Floats, choices: Sequence[int] = ()) -> NDArray[np.bool_]:
        """Return (B,) which beats begin a bar. Without choices a bar has one of the numbers of `IN_BAR`."""
        time = self._chords.time
        strong = strong_beats(time, self.places, beats)
        if not choices:
            at = self._tracker.metre.logits(metre_features(time, strong, beats))[0].argmax()
            choices = (IN_BAR[at],)
        return max((downbeats(strong, one) for one in choices), key=lambda found: found[1])[0]

    @cached_property
    def places(self) -> Floats:
        """(C, 3) probabilities of the places of chords."""
        return softmax(self._tracker.chord.logits(chord_features(self._chords)))


def _is_plain(chords: Chords) -> bool:
    """Return whether a piece is short or of one voice, where rules are better."""
    together = len(chords.onset) - len(chords.time)
    return len(chords.time) < _FEWEST or together < _TOGETHER * len(chords.onset)


def path(chords: Chords, places: Floats, pair: BoostedTrees) -> Floats:
    """Return beats of chords from the probabilities of their places and trees of pairs."""
    first, second = possible_pairs(chords.time, places[:, 1] + places[:, 2])
    if not len(first):
        return chords.time[:1]
    likely = softmax(pair.logits(pair_features(chords, places, first, second)))[:, 1]
    return best_beats(chords.time, first, second, likely)
