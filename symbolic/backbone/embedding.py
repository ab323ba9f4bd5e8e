"""Tokens of field ids to vectors."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import torch
from torch import Tensor, nn


class RowEmbedding(nn.Module):
    """One vector for a token of eight ids: the sum of one embedding per field.

    Each field keeps a table of its own, so that an id beyond its field is an error and never a neighbour's
    value (a window whose bars were not counted from its own start is caught here).

    Args:
        sizes: Ids of each field, reserved ones included (`Vocabulary.sizes`).
        dim: Width of the vectors.
    """

    def __init__(self, sizes: Sequence[int], dim: int) -> None:
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(size, dim) for size in sizes)
        for weight in self.parameters():
            nn.init.normal_(weight, std=0.02)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, L, 8) int64 -> (B, L, dim)."""
        fields = zip(self.tables, tokens.unbind(-1), strict=True)
        # Summed as they come: stacking first would hold eight times the memory.
        x: Tensor = functools.reduce(torch.add, (table(ids) for table, ids in fields))
        return x
