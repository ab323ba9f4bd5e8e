"""Self-attention over rows with rotary positions."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Rotation = tuple[Tensor, Tensor]
"""Cosines and sines, each (L, head dim / 2) float32."""


def rotary_angles(length: int, head_dim: int, device: torch.device) -> Rotation:
    """Rotations of rows 0 .. length - 1 (Su et al., RoFormer, arXiv 2104.09864, base 10,000).

    Computed for each forward pass, and not kept as a buffer, because casting a model to bfloat16 would round
    the buffer and with it the positions; beside the layers' work the cost vanishes.
    """
    frequencies = 10_000.0 ** (-torch.arange(0, head_dim, 2, device=device, dtype=torch.float32) / head_dim)
    angles = torch.outer(torch.arange(length, device=device, dtype=torch.float32), frequencies)
    return angles.cos(), angles.sin()


def rotate(x: Tensor, rotation: Rotation) -> Tensor:
    """Turn (B, H, L, head dim) by the rows' angles; in float32, returned in the type of `x`."""
    cos, sin = rotation
    left, right = x.float().chunk(2, dim=-1)
    return torch.cat((left * cos - right * sin, left * sin + right * cos), dim=-1).type_as(x)


class SelfAttention(nn.Module):
    """Multi-head attention of every row to every real row.

    The four projections are separate linear layers, so that an adapter can address each. There is no dropout
    on the attention weights: on a CPU it forces the unfused kernel, which is four times slower.

    Args:
        dim: Width of the hidden states.
        heads: Number of heads; divides `dim` into even parts.
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(dim, dim)
        self.key = nn.Linear(dim, dim)
        self.value = nn.Linear(dim, dim)
        self.output = nn.Linear(dim, dim)

    def forward(self, x: Tensor, rotation: Rotation, real: Tensor | None = None) -> Tensor:
        """(B, L, dim) -> (B, L, dim).

        Args:
            x: Hidden states.
            rotation: From `rotary_angles` for L rows.
            real: (B, L) bool, False where a row is padding; None if no row is, which costs no mask.
        """
        query = rotate(self._split(self.query(x)), rotation)
        key = rotate(self._split(self.key(x)), rotation)
        value = self._split(self.value(x))
        mask = None if real is None else real[:, None, None, :]
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        out: Tensor = self.output(mixed.transpose(1, 2).flatten(2))
        return out

    def _split(self, x: Tensor) -> Tensor:
        """(B, L, dim) -> (B, H, L, head dim)."""
        return x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)
