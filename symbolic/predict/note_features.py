"""Note features: hand-made features of notes that a network reads beside the tokens."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from symbolic.predict.note_codes import EMBEDDED_FEATURES, LEVELS, level_edges, ranks

WIDTH = 256
"""Width of the hidden layer."""


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
