"""Fit linear discriminants to hand-made features with a shrunken covariance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from symbolic.features.stats import Floats
from symbolic.predict.classifiers.discriminants import Discriminants

_LEAST_DEVIATION = 1e-6
"""Least deviation of a feature, as a share of its mean or of 1. A feature that varies less is ignored."""
_FEWEST = 3
"""Fewest pieces of a class for an estimate of its covariance."""
_RIDGE = 1e-3
"""Added to the covariance, as a share of its mean variance, where shrinking leaves it singular."""


def fit_discriminants(features: Floats, labels: NDArray[np.integer], classes: int) -> Discriminants:
    """Fit the discriminants of these pieces.

    Args:
        features: (P, F) from `feature_matrix`.
        labels: (P,) class of each.
        classes: How many there are. Those without a piece are never predicted.
    """
    centre, deviation = features.mean(axis=0), features.std(axis=0)
    # What hardly varies here would weigh all the more in music where it does. A checkpoint holds no infinity.
    deviation[deviation < _LEAST_DEVIATION * np.maximum(np.abs(centre), 1)] = np.finfo(np.float32).max
    model = Discriminants(classes)
    model.centre[:] = centre
    model.deviation[:] = deviation
    moved = model.standardised(features)
    known, place, count = np.unique(labels, return_inverse=True, return_counts=True)
    means = np.stack([moved[place == index].mean(axis=0) for index in range(len(known))])
    weight = np.linalg.solve(_within(moved - means[place], place), means.T).T
    bias = np.log(count / len(labels)) - (weight * means).sum(axis=1) / 2
    model.linear.bias[:] = -np.inf
    model.linear.weight[known], model.linear.bias[known] = weight, bias
    return model


def _within(moved: Floats, place: NDArray[np.integer]) -> Floats:
    """Estimate the (F, F) covariance within classes, positive definite even for few pieces.

    Args:
        moved: (P, F) standardised features, less the mean of their class.
        place: (P,) class of each.
    """
    from sklearn.covariance import ledoit_wolf

    (pieces, width), classes = moved.shape, np.unique(place)
    identity, total = np.eye(width), np.zeros((width, width))
    for index in classes:
        own = moved[place == index]
        # Of two pieces a covariance is one direction, which the estimate would not shrink.
        few = len(own) < _FEWEST or not own.any()
        shrunken = (own**2).mean() * identity if few else ledoit_wolf(own, assume_centered=True)[0]
        total += len(own) / pieces * shrunken
    size = np.trace(total) / width
    if size == 0:
        return identity
    return np.asarray((total + _RIDGE * size * identity) * pieces / max(pieces - len(classes), 1))
