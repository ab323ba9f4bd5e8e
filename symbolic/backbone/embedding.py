"""Embed tokens as vectors."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import torch
from torch import Tensor, nn


class TokenEmbedding(nn.Module):
    """Embed a token as the sum of one vector for each of its eight fields.

    Each field has its own table. So an id beyond its field is an error, and not another field's value. This detects
    windows whose bars do not count from their own start.

    Args:
        sizes: Number of ids of each field, reserved ones included (`Vocabulary.sizes`).
        dim: Width of the vectors.
    """

    def __init__(self, sizes: Sequence[int], dim: int) -> None:
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(size, dim) for size in sizes)
        for weight in self.parameters():
            nn.init.normal_(weight, std=0.02)

    def forward(self, tokens: Tensor) -> Tensor:
        """Turn int64 ids (B, L, 8) into vectors (B, L, dim)."""
        fields = zip(self.tables, tokens.unbind(-1), strict=True)
        # Added one by one, since stacking first would take eight times the memory.
        x: Tensor = functools.reduce(torch.add, (table(ids) for table, ids in fields))
        return x
