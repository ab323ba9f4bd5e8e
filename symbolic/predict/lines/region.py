"""A region of textures in which training pieces lie, and how far another piece is from it."""

from __future__ import annotations

import numpy as np

from symbolic.arrays import Arrays
from symbolic.features.stats import Floats
from symbolic.predict.lines.texture import MAKES

CLIP = 6.0
"""Standard deviations that a number counts at most."""
RIDGE = 0.05
"""Added to the variances of standardised numbers, so that the rarest combination does not rule the distance."""


class Region(Arrays):
    """A mean, a covariance and the distance beyond which pieces are outside. Before it is fitted all are outside.

    Attributes:
        centre, spread: (M,) mean and standard deviation of each number.
        whitening: (M, M) from the standardised numbers to uncorrelated ones of variance one.
        farthest: Distance of the border.
    """

    def __init__(self) -> None:
        width = len(MAKES)
        self.centre, self.spread = np.zeros(width), np.ones(width)
        self.whitening, self.farthest = np.eye(width), np.zeros(())

    def fit(self, numbers: Floats, inside: float) -> None:
        """Fit it to pieces.

        Args:
            numbers: (P, M), P > 1.
            inside: Share of them that shall lie inside.
        """
        self.centre[:] = numbers.mean(axis=0)
        self.spread[:] = np.maximum(numbers.std(axis=0), 1e-3)
        values, vectors = np.linalg.eigh(np.cov(self._standard(numbers).T) + RIDGE * np.eye(len(MAKES)))
        self.whitening[:] = vectors / np.sqrt(values)
        self.farthest[...] = np.quantile(self._distance(numbers), inside)

    def distance(self, numbers: Floats) -> float:
        """Return how far a piece is outside: 1 at the border. It is Mahalanobis' distance.

        Args:
            numbers: (M,) numbers of `MAKES`.
        """
        border = float(self.farthest)
        return float(self._distance(numbers)) / border if border else np.inf

    def _standard(self, numbers: Floats) -> Floats:
        return np.asarray(np.clip((numbers - self.centre) / self.spread, -CLIP, CLIP))

    def _distance(self, numbers: Floats) -> Floats:
        return np.asarray(np.sqrt(np.square(self._standard(numbers) @ self.whitening).mean(axis=-1)))
