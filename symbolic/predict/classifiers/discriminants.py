"""Linear discriminants of hand-made features, which give reasons."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from symbolic.arrays import Arrays, Linear
from symbolic.features import feature_names
from symbolic.features.stats import Floats, softmax

_FARTHEST = 10.0
"""Largest deviation of a feature; larger ones are clipped, so that no feature decides alone."""


class Reason(NamedTuple):
    """Contribution of one feature to a prediction.

    Attributes:
        feature: Its name.
        deviations: How far the piece lies from the mean of the training pieces in their standard deviations.
        weight: What that adds to the discriminants' logit of the answer, above what it adds to those of all classes in
            the mean.
    """

    feature: str
    deviations: float
    weight: float


class Discriminants(Arrays):
    """Standardise features and apply a linear layer: logits of classes.

    Its weights are those of Fisher's linear discriminants. The covariance within classes is the mean of the classes'
    own, each shrunken as Ledoit & Wolf (2004) say, so that nothing is to be chosen; `fit` makes them.

    Args:
        classes: How many.
    """

    def __init__(self, classes: int) -> None:
        width = len(feature_names())
        self.centre, self.deviation = np.zeros(width, dtype=np.float32), np.ones(width, dtype=np.float32)
        self.linear = Linear(width, classes)

    def of_features(self, features: Floats) -> Floats:
        """Return (P, C) logits of (P, F) features in double precision."""
        return self.linear(self.standardised(features))

    def probabilities(self, features: Floats) -> Floats:
        """Return (P, C) probabilities of (P, F) features."""
        return softmax(self.of_features(features))

    def reasons(self, features: Floats, answer: int, most: int = 5) -> list[Reason]:
        """Return the strongest reasons for and against a class.

        Args:
            features: (1, F) of the piece.
            answer: The class.
            most: How many at most.
        """
        moved = self.standardised(features)[0]
        added, names = moved * self.weights()[answer], feature_names()
        strongest = np.argsort(-np.abs(added), kind="stable")[:most]
        return [Reason(names[i], float(moved[i]), float(added[i])) for i in strongest if added[i]]

    @property
    def known(self) -> NDArray[np.bool_]:
        """(C,) whether a class had training pieces."""
        return np.isfinite(self.linear.bias)

    def weights(self) -> Floats:
        """Return (C, F) the logit that one standard deviation adds to a class, above the mean over classes."""
        weight = self.linear.weight.astype(np.float64)
        return np.asarray(weight - weight[self.known].mean(axis=0))

    def standardised(self, features: Floats) -> Floats:
        """Return (P, F) features in deviations from the mean of the training pieces, clipped."""
        moved = (features - self.centre.astype(np.float64)) / self.deviation.astype(np.float64)
        return np.asarray(moved.clip(-_FARTHEST, _FARTHEST))
