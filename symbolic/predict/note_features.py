"""Note features: hand-made features of notes that a network reads beside the tokens."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from symbolic.features.notes import note_names

EMBEDDED_FEATURES = [name for name in note_names() if name != "pitch"]
"""The features that are embedded: all that transposition leaves unchanged. They are computed once for every key."""
LEVELS = 256
"""Values of a code, so that it fits into a byte."""
WIDTH = 256
"""Width of the hidden layer."""
_EMBEDDED = np.array([name in EMBEDDED_FEATURES for name in note_names()])
_EVERY = 7
"""One note in so many is used to find the levels of a feature."""


class NoteFeatureEmbedding(nn.Module):
    """Embeds features of notes. Each feature is read as its rank among those of training notes.

    Ranks put all features on one scale: a network learns little from features that are far smaller than others.

    Args:
        dim: Width of the embedding.
    """

    edges: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer("edges", torch.zeros(len(EMBEDDED_FEATURES), LEVELS - 1))
        self.read = nn.Sequential(nn.Linear(len(EMBEDDED_FEATURES), WIDTH), nn.GELU(), nn.Linear(WIDTH, dim))

    def fit(self, pieces: Iterable[NDArray[np.float32]]) -> None:
        """Find the levels of each feature.

        Args:
            pieces: (N, F) `embedded_features` of each training piece.
        """
        self.edges.copy_(torch.from_numpy(level_edges(pieces)))

    def codes(self, features: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Return the (N, F) codes of (N, F) `embedded_features`."""
        return ranks(features, self.edges.cpu().numpy())

    def forward(self, codes: Tensor) -> Tensor:
        """Embed codes of any integer type, (B, L, F) -> (B, L, D)."""
        embedded: Tensor = self.read(codes.to(self.edges.dtype) * (2 / (LEVELS - 1)) - 1)
        return embedded


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
