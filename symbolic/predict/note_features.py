"""Note features: hand-made features of notes as something that a network hears beside the notes themselves."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from symbolic.features.notes import note_names

EMBEDDED_FEATURES = [name for name in note_names() if name != "pitch"]
"""What is hinted at: all that transposition leaves as it is, so that it need not be computed anew for every key."""
LEVELS = 256
"""Values of a code, so that it fits into a byte."""
WIDTH = 256
"""Of the hidden layer."""
_HEARD = np.array([name in EMBEDDED_FEATURES for name in note_names()])
_DRAWN = 7
"""One note in so many says where the levels of a feature lie."""


class NoteFeatureEmbedding(nn.Module):
    """Features of notes, each as its rank among those of training notes, to be added to the embedding of the notes.

    Ranks, because features are of all sizes, and a network hears none that are far larger than others.

    Args:
        dim: Width of the embedding.
    """

    edges: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer("edges", torch.zeros(len(EMBEDDED_FEATURES), LEVELS - 1))
        self.read = nn.Sequential(nn.Linear(len(EMBEDDED_FEATURES), WIDTH), nn.GELU(), nn.Linear(WIDTH, dim))

    def fit(self, pieces: Iterable[NDArray[np.float32]]) -> None:
        """Learn what is much and what is little from `hinted` features of training pieces."""
        self.edges.copy_(torch.from_numpy(level_edges(pieces)))

    def codes(self, features: NDArray[np.float32]) -> NDArray[np.uint8]:
        """(N, F) ranks of (N, F) `hinted` features."""
        return ranks(features, self.edges.cpu().numpy())

    def forward(self, codes: Tensor) -> Tensor:
        """(B, L, F) codes, of any integer type -> (B, L, D)."""
        said: Tensor = self.read(codes.to(self.edges.dtype) * (2 / (LEVELS - 1)) - 1)
        return said


def level_edges(pieces: Iterable[NDArray[np.float32]]) -> NDArray[np.float32]:
    """(F, LEVELS - 1) where the levels of each feature meet, from (N, F) features of pieces."""
    drawn = np.concatenate([features[::_DRAWN] for features in pieces])
    shares = np.arange(1, LEVELS) / LEVELS
    return np.ascontiguousarray(np.quantile(drawn, shares, axis=0).T, dtype=np.float32)


def ranks(features: NDArray[np.float32], edges: NDArray[np.float32]) -> NDArray[np.uint8]:
    """(N, F) levels of (N, F) features by (F, LEVELS - 1) edges."""
    found = np.empty(features.shape, dtype=np.uint8)
    for number, edge in enumerate(edges):
        found[:, number] = np.searchsorted(edge, features[:, number])
    return found


def embedded_features(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, F) features that `NoteHints` takes, of all that `note_matrix` makes of a piece's notes."""
    return np.asarray(features[:, _HEARD])
