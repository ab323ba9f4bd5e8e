"""Codes of note features: the rank of each feature among those of training notes, as a byte. Torch is not imported."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from symbolic.features.notes import note_names

EMBEDDED_FEATURES = [name for name in note_names() if name != "pitch"]
"""The features that are embedded: all that transposition leaves unchanged. They are computed once for every key."""
LEVELS = 256
"""Values of a code, so that it fits into a byte."""
_EMBEDDED = np.array([name in EMBEDDED_FEATURES for name in note_names()])
_EVERY = 7
"""One note in so many is used to find the levels of a feature."""


def level_edges(pieces: Iterable[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return the values where the levels of each feature meet.

    Args:
        pieces: (N, F) features of each piece.

    Returns:
        (F, LEVELS - 1) float32.
    """
    # Copies: a view would keep its whole piece in memory.
    some = np.concatenate([features[::_EVERY].copy() for features in pieces])
    quantiles = np.arange(1, LEVELS) / LEVELS
    # One feature at a time: all at once would take the memory of several copies.
    return np.array([np.quantile(column, quantiles) for column in some.T], dtype=np.float32)


def ranks(features: NDArray[np.float32], edges: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return the (N, F) levels of (N, F) features by (F, LEVELS - 1) edges."""
    found = np.empty(features.shape, dtype=np.uint8)
    for number, edge in enumerate(edges):
        found[:, number] = np.searchsorted(edge, features[:, number])
    return found


def embedded_features(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the (N, F) features that are embedded, of all that `note_matrix` computes."""
    return np.asarray(features[:, _EMBEDDED])
