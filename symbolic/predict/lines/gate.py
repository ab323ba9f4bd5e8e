"""Decide for each piece how far its highest line is the melody, and whether its music is unlike the training music."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from symbolic.arrays import Arrays
from symbolic.features.stats import Floats
from symbolic.predict.lines.texture import MAKES, TEXTURE

LIKELY = 0.4
"""Least log-odds of a note on the skyline, where the skyline is the better melody: else a piece could have none."""
BEST_TRACK = TEXTURE.index("best_track")
LEADING = 0.4
"""Share of all melody on a track that leads, in music of any kind."""
MOST = 4.0
"""Largest log-odds of the line that count beside the skyline."""


class Gate(Arrays):
    """Fitted numbers that read the `texture` of a piece.

    Attributes:
        centre, spread: (T,) mean and standard deviation of each number over the training pieces.
        skyline: (2, T + 1) weights of the numbers and a constant: log-odds that the skyline is the better melody.
            The second line is for files whose tracks vote.
        right: (T + 2,) weights of the numbers, of a note's log-odds on the line, and a constant: log-odds that a note
            on the skyline is melody where the skyline is the better melody.
        wrong: (2,) likewise without numbers: log-odds that another note is melody there.
        whitening: (M, M) from the standardised numbers of `MAKES` to uncorrelated ones of variance one.
        farthest: Distance from the training music beyond which music is unlike it.
    """

    def __init__(self) -> None:
        width, makes = len(TEXTURE), len(MAKES)
        self.centre, self.spread = np.zeros(width), np.ones(width)
        self.skyline, self.right, self.wrong = np.zeros((2, width + 1)), np.zeros(width + 2), np.zeros(2)
        self.whitening, self.farthest = np.eye(makes), np.full((), np.inf)

    def distance(self, numbers: Floats) -> float:
        """Return how far a piece is from the training pieces, in standard deviations (Mahalanobis, by dimension).

        Args:
            numbers: (T,) from `texture`.
        """
        makes = self._standard(numbers)[: len(MAKES)] @ self.whitening
        return float(np.sqrt(np.square(makes).mean()))

    def share(self, numbers: Floats, tracked: bool) -> float:
        """Return the probability that the skyline is the better melody of a piece.

        Args:
            numbers: (T,) from `texture`.
            tracked: Whether the tracks of the file vote.
        """
        weights = self.skyline[int(tracked)]
        return float(np.exp(-np.logaddexp(0, -(self._standard(numbers) @ weights[:-1] + weights[-1]))))

    def skyline_log_odds(self, line: Floats, above: NDArray[np.bool_], numbers: Floats) -> Floats:
        """Return (N,) log-odds of melody where the skyline is the better melody: its notes are always the likelier.

        Args:
            line: (N,) calibrated log-odds of the line.
            above: (N,) whether a note is on the skyline.
            numbers: (T,) from `texture`.
        """
        line = np.clip(line, -MOST, MOST)
        weights = np.delete(self.right, len(TEXTURE))
        # Weights hold where they were fitted: farther away the border counts.
        near = min(1.0, float(self.farthest) / max(self.distance(numbers), 1e-9))
        top = (
            float(self._standard(numbers) * near @ weights[:-1] + weights[-1])
            + float(self.right[len(TEXTURE)]) * line
        )
        return np.where(
            above,
            np.maximum(np.maximum(top, line), LIKELY),
            float(self.wrong[0]) * line + float(self.wrong[1]),
        )

    def blended(self, line: Floats, above: NDArray[np.bool_], numbers: Floats, tracked: bool) -> Floats:
        """Return (N,) log-odds of melody: of the line and of the skyline, each as far as the piece asks for it.

        Music unlike the training music gets its skyline, for there a model may fail in any way. A track that has
        most of the melody is trusted in all music.

        Args:
            line: (N,) calibrated log-odds of the line.
            above: (N,) whether a note is on the skyline.
            numbers: (T,) from `texture`.
            tracked: Whether the tracks of the file vote.
        """
        lost = self.distance(numbers) > float(self.farthest) and numbers[BEST_TRACK] < LEADING
        share = 1.0 if lost else self.share(numbers, tracked)
        skyline = self.skyline_log_odds(line, above, numbers)
        mixed = share * _chance(skyline) + (1 - share) * _chance(line)
        return np.asarray(np.log(mixed) - np.log1p(-mixed))

    def _standard(self, numbers: Floats) -> Floats:
        return np.clip((numbers - self.centre) / self.spread, -6, 6)


def _chance(odds: Floats) -> Floats:
    """Probabilities, none so near 0 or 1 that it has no log-odds."""
    return np.asarray(1 / (1 + np.exp(-np.clip(odds, -20, 20))))
