"""Fit linear discriminants in closed form to stretches of pieces, from numbers or from their inner products alone.

A piece, its halves and its quarters are examples. The covariance within classes is shrunken towards a multiple of the
identity (Ledoit & Wolf, "A well-conditioned estimator for large-dimensional covariance matrices", 2004). The stretches
of a piece resemble one another. So the pieces are counted there and not the stretches.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from symbolic.features.stats import Floats, softmax

Ints = NDArray[np.integer]
_LEAST_DEVIATION = 5e-3
"""A number that hardly varies is not blown up to unit variance."""
_FARTHEST = 10.0
"""Largest deviation of a number; larger ones are clipped."""
_LEAST_LOG = -7.0
"""Least log-probability of a stretch, so that none can rule out a class alone."""
_LEAST_SHRINKAGE = 1e-4
_LEAST_VARIANCE = 1e-9
"""Of numbers that are all alike, such as the pairs of drums, which have none."""


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
    shrinkage, size = _shrinkage((within**2).sum(1), (covariance**2).sum(), within.shape[1], pieces[train])
    covariance = (1 - shrinkage) * covariance + shrinkage * size * np.eye(len(covariance))
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
    from scipy.linalg import cho_factor, cho_solve

    known, place, counts = np.unique(labels[train], return_inverse=True, return_counts=True)
    average = ((place[:, None] == np.arange(len(known))) / counts).astype(products.dtype)
    with_means = products[:, train] @ average
    means_with = with_means[train]
    of_means = average.T @ means_with
    # R are the training stretches less the means of their classes, M are the means, X are all stretches.
    x_r = products[:, train] - with_means[:, place]
    r_m = means_with - of_means[place]
    r_r = x_r[train] - r_m[:, place].T
    squares = r_r.diagonal().astype(np.float64)
    norm = float(np.square(r_r, dtype=np.float64).sum()) / len(r_r) ** 2
    shrinkage, size = _shrinkage(squares, norm, width, pieces[train])
    ridge, rest = shrinkage * size, (1 - shrinkage) / len(r_r)
    # Woodbury: (ridge + rest R'R)^-1 M = (M - R' (ridge / rest + RR')^-1 R M) / ridge
    r_r.flat[:: len(r_r) + 1] += ridge / rest
    solved = cho_solve(cho_factor(r_r, lower=True, overwrite_a=True), r_m)
    logits = (with_means - x_r @ solved) / ridge
    bias = (of_means.diagonal() - (r_m * solved).sum(0)) / ridge
    return _of_pieces(logits - bias / 2 + np.log(counts / counts.sum()), known, pieces, classes)


def _shrinkage(squares: Floats, norm: float, width: int, pieces: Ints) -> tuple[float, float]:
    """Return the share of the identity in a covariance, and the mean variance.

    Args:
        squares: (T,) squared norms of the centred examples.
        norm: Squared Frobenius norm of their covariance.
        width: Its width.
        pieces: (T,) piece of each example.
    """
    size = max(float(squares.mean()) / width, _LEAST_VARIANCE)
    error = (float(np.square(squares).mean()) - norm) / len(np.unique(pieces))
    share = error / max(norm - width * size**2, 1e-12)
    return float(np.clip(share, _LEAST_SHRINKAGE, 1 - _LEAST_SHRINKAGE)), size


def _of_pieces(logits: NDArray[np.floating], known: Ints, pieces: Ints, classes: int) -> Floats:
    """Return (P, C) mean log-probabilities over stretches, from (E, K) logits of the known classes."""
    logs = np.full((len(logits), classes), _LEAST_LOG)
    logs[:, known] = np.log(softmax(logits.astype(np.float64)).clip(min=np.exp(_LEAST_LOG)))
    starts = np.flatnonzero(np.diff(pieces, prepend=-1))
    means = np.add.reduceat(logs, starts) / np.diff(starts, append=len(pieces))[:, None]
    return np.asarray(np.log(softmax(means)))
