"""Fit linear discriminants in closed form to stretches of pieces, from numbers or from their inner products alone.

A piece, its halves and its quarters are examples. The covariance within classes is shrunken as in
`finetune.baselines.products`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from finetune.baselines.products import fit_products, shrinkage
from symbolic.features.stats import Floats, softmax

Ints = NDArray[np.integer]
_LEAST_DEVIATION = 5e-3
"""A number that hardly varies is not blown up to unit variance."""
_FARTHEST = 10.0
"""Largest deviation of a number; larger ones are clipped."""
_LEAST_LOG = -7.0
"""Least log-probability of a stretch, so that none can rule out a class alone."""


def of_numbers(numbers: Floats, labels: Ints, pieces: Ints, train: NDArray[np.bool_], classes: int) -> Floats:
    """Fit discriminants to numbers that are standardised over the training stretches.

    Args:
        numbers: (E, F) of every stretch.
        labels: (E,) class of each.
        pieces: (E,) piece of each, 0..P-1 in order.
        train: (E,) bool, those to fit to.
        classes: Number of classes. Those without an example are never predicted.

    Returns:
        (P, C) log-probabilities of every piece: the mean over its stretches.
    """
    centre = numbers[train].mean(0)
    deviation = np.maximum(numbers[train].std(0), _LEAST_DEVIATION)
    moved = ((numbers - centre) / deviation).clip(-_FARTHEST, _FARTHEST)
    known, place, counts = np.unique(labels[train], return_inverse=True, return_counts=True)
    means = np.stack([moved[train][place == one].mean(0) for one in range(len(known))])
    within = moved[train] - means[place]
    covariance = within.T @ within / len(within)
    share, size = shrinkage((within**2).sum(1), (covariance**2).sum(), within.shape[1], pieces[train])
    covariance = (1 - share) * covariance + share * size * np.eye(len(covariance))
    weights = np.linalg.solve(covariance, means.T)
    logits = moved @ weights - (means.T * weights).sum(0) / 2 + np.log(counts / counts.sum())
    return _of_pieces(logits, known, pieces, classes)


def of_products(
    products: NDArray[np.float32],
    width: int,
    labels: Ints,
    pieces: Ints,
    train: NDArray[np.bool_],
    classes: int,
) -> Floats:
    """Fit the same discriminants from inner products, where there are more numbers than stretches.

    Args:
        products: (E, E) inner products of the numbers of any two stretches.
        width: How many numbers there are.
        labels: As for `of_numbers`, like the others and the result.
        pieces: Likewise.
        train: Likewise.
        classes: Likewise.
    """
    known, place = np.unique(labels[train], return_inverse=True)
    weights, biases = fit_products(products[np.ix_(train, train)], width, place, pieces[train])
    return _of_pieces(products[:, train] @ weights + biases, known, pieces, classes)


def _of_pieces(logits: NDArray[np.floating], known: Ints, pieces: Ints, classes: int) -> Floats:
    """Return (P, C) mean log-probabilities over stretches, from (E, K) logits of the known classes."""
    logs = np.full((len(logits), classes), _LEAST_LOG)
    logs[:, known] = np.log(softmax(logits.astype(np.float64)).clip(min=np.exp(_LEAST_LOG)))
    starts = np.flatnonzero(np.diff(pieces, prepend=-1))
    means = np.add.reduceat(logs, starts) / np.diff(starts, append=len(pieces))[:, None]
    return np.asarray(np.log(softmax(means)))
