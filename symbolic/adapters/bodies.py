"""What adapters of the bottleneck kind are made of: narrow networks that map the residual stream to itself."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from symbolic.errors import ConfigError

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"gelu": F.gelu, "relu": F.relu, "silu": F.silu}
DILATIONS = (1, 2, 4, 8)


def problems_of(name: str, rank: int, activation: str) -> list[str]:
    """One sentence for each option of a bottleneck that is wrong; `name` is the method's."""
    problems = []
    if rank < 1:
        problems.append(f"{name} rank is {rank}; it must be at least 1.")
    if activation not in ACTIVATIONS:
        problems.append(f"{name} activation is {activation!r}; choose one of {', '.join(ACTIVATIONS)}.")
    return problems


class Body(nn.Module):
    """Down, something narrow, up: (B, L, dim) -> (B, L, dim), zero at first.

    Args:
        dim: Width of the stream.
        rank: Width of the bottleneck.
        activation: One of `ACTIVATIONS`.
        zero_bias: Start the bias of the up-projection at zero too; the weight always starts there.
    """

    def __init__(self, dim: int, rank: int, activation: str = "gelu", zero_bias: bool = True) -> None:
        super().__init__()
        self.down = nn.Linear(dim, rank)
        self.activation = ACTIVATIONS[activation]
        self.up = nn.Linear(rank, dim)
        # Up alone is zero: with down zero too, nothing but a bias would ever learn.
        nn.init.zeros_(self.up.weight)
        if zero_bias:
            nn.init.zeros_(self.up.bias)

    def forward(self, x: Tensor, real: Tensor | None = None) -> Tensor:
        """(B, L, dim) -> (B, L, dim)."""
        out: Tensor = self.up(self.narrow(self.down(x), real))
        return out

    def narrow(self, x: Tensor, real: Tensor | None) -> Tensor:
        """(B, L, rank) -> (B, L, rank); here the activation alone, so rows do not mix."""
        return self.activation(x)


class ConvBody(Body):
    """Dilated residual convolutions over the rows, and a gate that weighs the channels of a window.

    Mehta et al. (arXiv 2506.21298), with squeeze-and-excitation (arXiv 1709.01507). What is padded is set to zero
    before each convolution and left out of the gate's mean.

    Args:
        dim: Width of the stream.
        rank: Width of the bottleneck.
        activation: One of `ACTIVATIONS`.
        kernel: Rows that a convolution sees, without dilation; odd.
    """

    def __init__(self, dim: int, rank: int, activation: str = "gelu", kernel: int = 3) -> None:
        super().__init__(dim, rank, activation)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(rank, rank, kernel, padding=dilation * (kernel // 2), dilation=dilation)
            for dilation in DILATIONS
        )
        squeezed = max(1, rank // 4)
        # SiLU where the original has ReLU: so few units must not die.
        self.gate = nn.Sequential(
            nn.Linear(rank, squeezed), nn.SiLU(), nn.Linear(squeezed, rank), nn.Sigmoid()
        )

    def narrow(self, x: Tensor, real: Tensor | None) -> Tensor:
        """(B, L, rank) -> (B, L, rank)."""
        inside = x.new_ones(x.shape[:2]) if real is None else real.type_as(x)
        inside = inside[..., None]
        for convolution in self.convolutions:
            mixed = convolution((x * inside).transpose(1, 2)).transpose(1, 2)
            x = x + self.activation(mixed)
        mean = (x * inside).sum(1) / inside.sum(1).clamp(min=1)
        gated: Tensor = x * self.gate(mean)[:, None]
        return gated


class TransformerBody(Body):
    """A small Transformer layer in the bottleneck: attention over all rows, then a feed-forward (arXiv 2506.21298).

    Args:
        dim: Width of the stream.
        rank: Width of the bottleneck.
        activation: One of `ACTIVATIONS`.
        heads: Attention heads; divides the rank.
    """

    def __init__(self, dim: int, rank: int, activation: str = "gelu", heads: int = 2) -> None:
        super().__init__(dim, rank, activation)
        if rank % heads:
            raise ConfigError(
                f"the rank {rank} of a transformer adapter is not divisible by its {heads} heads."
            )
        self.heads = heads
        self.attention_norm, self.feedforward_norm = nn.LayerNorm(rank), nn.LayerNorm(rank)
        self.projections = nn.Linear(rank, 3 * rank)
        self.output = nn.Linear(rank, rank)
        self.wide, self.slim = nn.Linear(rank, 2 * rank), nn.Linear(2 * rank, rank)

    def narrow(self, x: Tensor, real: Tensor | None) -> Tensor:
        """(B, L, rank) -> (B, L, rank)."""
        shape = (*x.shape[:2], self.heads, -1)
        parts = self.projections(self.attention_norm(x)).chunk(3, dim=-1)
        query, key, value = (part.reshape(shape).transpose(1, 2) for part in parts)
        mask = None if real is None else real[:, None, None, :]
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        x = x + self.output(mixed.transpose(1, 2).flatten(2))
        out: Tensor = x + self.slim(self.activation(self.wide(self.feedforward_norm(x))))
        return out


class Sequential(nn.Module):
    """A body after a slot of the stream: `x + scale * body(norm(x))`.

    Args:
        body: The network.
        norm: A norm before it, or None.
        scale: Factor of what it adds.
    """

    def __init__(self, body: Body, norm: nn.LayerNorm | None = None, scale: float = 1.0) -> None:
        super().__init__()
        self.body, self.norm, self.scale = body, norm, scale

    def forward(self, x: Tensor, real: Tensor | None = None) -> Tensor:
        """(B, L, dim) -> (B, L, dim)."""
        seen = x if self.norm is None else self.norm(x)
        return torch.add(x, self.body(seen, real), alpha=self.scale)
