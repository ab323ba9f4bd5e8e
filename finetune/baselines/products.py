"""Fit linear discriminants from inner products, where there are more numbers than examples.

The covariance within classes is shrunken towards a multiple of the identity (Ledoit & Wolf, "A well-conditioned
estimator for large-dimensional covariance matrices", 2004). The examples are stretches of pieces, and those of a piece
resemble one another. So the pieces are counted there and not the examples.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from symbolic.features.stats import Floats

Ints = NDArray[np.integer]
_LEAST_SHRINKAGE = 1e-4
_LEAST_VARIANCE = 1e-9
"""Of numbers that are all alike, such as the pairs of drums, which have none."""


def fit_products(
    products: NDArray[np.floating], width: int, place: Ints, pieces: Ints
) -> tuple[NDArray[np.floating], Floats]:
    """Fit discriminants to examples of which only inner products are known.

    Args:
        products: (T, T) inner products of the examples.
        width: How many numbers an example has.
        place: (T,) class of each, 0..K-1. Each class has an example.
        pieces: (T,) piece of each.

    Returns:
        (T, K) weights of the examples and (K,) biases: the logits of x are `x @ examples.T @ weights + biases`.
    """
    from scipy.linalg import cho_factor, cho_solve

    counts = np.bincount(place)
    members = (place[:, None] == np.arange(len(counts))).astype(products.dtype)
    average = members / counts.astype(products.dtype)
    with_means = products @ average
    of_means = average.T @ with_means
    # R are the examples less the means of their classes, M are the means.
    r_m = with_means - of_means[place]
    r_r = products - with_means[:, place]
    r_r -= r_m[:, place].T
    squares = r_r.diagonal().astype(np.float64)
    norm = float(np.square(r_r, dtype=np.float64).sum()) / len(r_r) ** 2
    share, size = shrinkage(squares, norm, width, pieces)
    ridge, rest = share * size, (1 - share) / len(r_r)
    # Woodbury: (ridge + rest R'R)^-1 M = (M - R' (ridge / rest + RR')^-1 R M) / ridge
    r_r.flat[:: len(r_r) + 1] += ridge / rest
    solved = cho_solve(cho_factor(r_r, lower=True, overwrite_a=True), r_m)
    weights = (average - solved + average @ (members.T @ solved)) / ridge
    of_classes = ((average.T @ products) * weights.T).sum(1)  # of each mean with the weights of its class
    return weights, np.asarray(np.log(counts / counts.sum()) - of_classes / 2)


def shrinkage(squares: Floats, norm: float, width: int, pieces: Ints) -> tuple[float, float]:
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
