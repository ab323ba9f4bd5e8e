"""Parts that backbones of every kind share."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class FeedForward(nn.Module):
    """Two linear layers with an activation between: (B, L, dim) to (B, L, dim).

    Args:
        dim: Width of the hidden states.
        ffn: Inner width.
        activation: The activation. GELU by default.
    """

    def __init__(self, dim: int, ffn: int, activation: nn.Module | None = None) -> None:
        super().__init__()
        self.up = nn.Linear(dim, ffn)
        self.activation = activation or nn.GELU()
        self.down = nn.Linear(ffn, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Turn (B, L, dim) into (B, L, dim)."""
        out: Tensor = self.down(self.activation(self.up(x)))
        return out


class Dropout(nn.Dropout):
    """Dropout that is fast on a CPU: it takes 16 random bits per element instead of a random number.

    PyTorch's own takes half as long again there. The probability is rounded to a multiple of 2 ** -16.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Apply dropout to a tensor of any shape."""
        if not self.training or not self.p or x.device.type != "cpu" or torch.compiler.is_compiling():
            return super().forward(x)
        words = torch.empty(-(-x.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
        bits = words.view(torch.int16)[: x.numel()].view(x.shape)
        kept = (bits >= round(self.p * 2**16) - 2**15).to(x.dtype)
        return x * kept.mul_(1 / (1 - self.p))
