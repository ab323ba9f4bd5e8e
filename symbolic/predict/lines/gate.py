"""Decide by the texture of a piece what its line and its highest line count, and how sure that is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from symbolic.arrays import Arrays
from symbolic.features.stats import Floats
from symbolic.predict.lines.decoding import complete
from symbolic.predict.lines.region import Region
from symbolic.predict.lines.texture import MAKES, TEXTURE

INPUTS = 3
"""What a note brings: a constant, its log-odds on the line, and whether it is on the skyline."""
LEAST = 0.1
"""Least log-odds of an answer where the skyline decides."""
BEST_TRACK = TEXTURE.index("best_track")
LEADING = 0.4
"""Share of all melody on a track that leads, in music of any kind."""
MOST = 8.0
"""Largest log-odds of the line that count."""
REGIONS = ("usual", "made")
"""Regions of the training pieces."""
FAR = 3.0
"""Standard deviations that a number of the texture counts at most."""


class Gate(Arrays):
    """Fitted numbers that read the `texture` of a piece.

    A logistic regression whose weights depend on the texture: so the line counts in songs, the skyline in chorales, and
    the probabilities are calibrated in both.

    Attributes:
        centre, spread: (T,) mean and standard deviation of each number over the training pieces.
        weights: (2, INPUTS, T + 1) of each input: weights of the numbers of the texture and a constant. The second half
            is for files whose tracks vote.
        usual, made: Where the training pieces lie as they were written, and set in textures that corpora lack.
    """

    def __init__(self) -> None:
        width = len(TEXTURE)
        self.centre, self.spread = np.zeros(width), np.ones(width)
        self.weights = np.zeros((2, INPUTS, width + 1))
        self.usual, self.made = Region(), Region()

    def standard(self, numbers: Floats) -> Floats:
        """Return (T,) standardised numbers of `texture`, none farther than `FAR`."""
        return np.asarray(np.clip((numbers - self.centre) / self.spread, -FAR, FAR))

    def distance(self, numbers: Floats) -> float:
        """Return how far a piece is from the training pieces. Beyond 1 it is unlike them.

        Args:
            numbers: (T,) from `texture`.
        """
        makes = numbers[: len(MAKES)]
        return min(self.usual.distance(makes), self.made.distance(makes))

    def calibrated(self, line: Floats, above: NDArray[np.bool_], numbers: Floats, tracked: bool) -> Floats:
        """Return (N,) probabilities of melody.

        Args:
            line: (N,) log-odds of the line.
            above: (N,) whether a note is on the skyline.
            numbers: (T,) from `texture`.
            tracked: Whether the tracks of the file vote.
        """
        weights = self.weights[int(tracked)] @ np.append(self.standard(numbers), 1.0)
        return _chance(note_inputs(line, above) @ weights)

    def decided(self, line: Floats, above: NDArray[np.bool_], numbers: Floats, tracked: bool) -> Floats:
        """Return (N,) log-odds of melody, those of the answer above zero.

        Music unlike the training music gets its skyline, for there a model may fail in any way. A track that has
        most of the melody is trusted in all music. Arguments as for `calibrated`.
        """
        found = self.calibrated(line, above, numbers, tracked)
        if self.distance(numbers) > 1 and numbers[BEST_TRACK] < LEADING:
            odds = _log_odds(found)
            return np.where(above, np.maximum(odds, LEAST), np.minimum(odds, -LEAST))
        return _log_odds(complete(found))


def note_inputs(line: Floats, above: NDArray[np.bool_]) -> Floats:
    """Return (N, INPUTS) of what notes bring. Arguments as for `Gate.calibrated`."""
    return np.column_stack([np.ones(len(line)), np.clip(line, -MOST, MOST), above])


def _chance(odds: Floats) -> Floats:
    """Probabilities, none so near 0 or 1 that it has no log-odds."""
    return np.asarray(1 / (1 + np.exp(-np.clip(odds, -20, 20))))


def _log_odds(chance: Floats) -> Floats:
    return np.asarray(np.log(chance) - np.log1p(-chance))
