"""What adapters of the bottleneck kind are made of: narrow networks that map the residual stream to itself."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from symbolic.errors import ConfigError

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": F.gelu,
    "relu": F.relu,
    "silu": F.silu,
    "tanh": torch.tanh,
}
STARTS = ("zero", "near_zero", "default")
"""How up-projections start: at zero; within two deviations of 0.01 about it, as in Houlsby et al. (arXiv 1902.00751);
as PyTorch starts a linear layer."""
DILATIONS = (1, 2, 4, 8)


class Body(nn.Module):
    """Down, something narrow, up: (B, L, dim) -> (B, L, dim), zero at first.

    Args:
        dim: Width of the stream.
        rank: Width of the bottleneck.
        activation: One of `ACTIVATIONS`.
    """

    def __init__(self, dim: int, rank: int, activation: str = "gelu") -> None:
        super().__init__()
        self.down = nn.Linear(dim, rank)
        self.activation = ACTIVATIONS[activation]
        self.up = nn.Linear(rank, dim)
        self.start()

    def start(self, init: str = "zero", zero_bias: bool = True) -> None:
        """Set the up-projection to where it starts. It alone: were down zero too, nothing but a bias would ever learn.

        Args:
            init: Of its weight, one of `STARTS`.
            zero_bias: Whether its bias is zero; else it is as PyTorch starts it.
        """
        self.up.reset_parameters()
        if init == "zero":
            nn.init.zeros_(self.up.weight)
        elif init == "near_zero":
            nn.init.trunc_normal_(self.up.weight, std=0.01, a=-0.02, b=0.02)
        if zero_bias:
            nn.init.zeros_(self.up.bias)

    def forward(self, x: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """(B, L, dim) -> (B, L, dim)."""
        out: Tensor = self.up(self.narrow(self.down(x), attention_mask))
        return out

    def narrow(self, x: Tensor, attention_mask: Tensor | None) -> Tensor:
        """(B, L, rank) -> (B, L, rank); here the activation alone, so tokens do not mix."""
        return self.activation(x)


class ConvBody(Body):
    """Dilated residual convolutions over the tokens, and a gate that weighs the channels of a window.

    Mehta et al. (arXiv 2506.21298), with squeeze-and-excitation (arXiv 1709.01507). What is padded is set to zero
    before each convolution and left out of the gate's mean.

    Args:
        dim: Width of the stream.
        rank: Width of the bottleneck.
        activation: One of `ACTIVATIONS`.
        kernel: Tokens that a convolution sees, without dilation; odd.
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

    def narrow(self, x: Tensor, attention_mask: Tensor | None) -> Tensor:
        """(B, L, rank) -> (B, L, rank)."""
        inside = x.new_ones(x.shape[:2]) if attention_mask is None else attention_mask.type_as(x)
        inside = inside[..., None]
        for convolution in self.convolutions:
            mixed = convolution((x * inside).transpose(1, 2)).transpose(1, 2)
            x = x + self.activation(mixed)
        mean = (x * inside).sum(1) / inside.sum(1).clamp(min=1)
        gated: Tensor = x * self.gate(mean)[:, None]
        return gated


class TransformerBody(Body):
    """A small Transformer layer in the bottleneck: attention over all tokens, then a feed-forward (arXiv 2506.21298).

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

    def narrow(self, x: Tensor, attention_mask: Tensor | None) -> Tensor:
        """(B, L, rank) -> (B, L, rank)."""
        shape = (*x.shape[:2], self.heads, -1)
        parts = self.projections(self.attention_norm(x)).chunk(3, dim=-1)
        query, key, value = (part.reshape(shape).transpose(1, 2) for part in parts)
        mask = None if attention_mask is None else attention_mask[:, None, None, :]
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        x = x + self.output(mixed.transpose(1, 2).flatten(2))
        out: Tensor = x + self.slim(self.activation(self.wide(self.feedforward_norm(x))))
        return out


class Added(nn.Module):
    """A body, and how it is added to something: `to + scale * body(norm(stream))`.

    Args:
        body: The network.
        norm: A norm before it, or None.
        scale: Factor of what it adds.
        learn_scale: Whether the factor is trained.
    """

    def __init__(
        self, body: Body, norm: nn.LayerNorm | None = None, scale: float = 1.0, learn_scale: bool = False
    ) -> None:
        super().__init__()
        self.body, self.norm = body, norm
        self.scale = nn.Parameter(torch.tensor(float(scale))) if learn_scale else scale

    def added(self, to: Tensor, stream: Tensor, attention_mask: Tensor | None) -> Tensor:
        """(B, L, dim), (B, L, dim) -> (B, L, dim)."""
        change = self.body(stream if self.norm is None else self.norm(stream), attention_mask)
        if isinstance(self.scale, Tensor):
            return torch.addcmul(to, change, self.scale.type_as(change))
        return torch.add(to, change, alpha=self.scale)


class Sequential(Added):
    """A body after a slot of the stream: it sees the stream as the branch left it."""

    def forward(self, x: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """(B, L, dim) -> (B, L, dim)."""
        return self.added(x, x, attention_mask)


class Parallel(Added):
    """A body beside a branch: it sees the stream as the branch found it."""

    def forward(self, branch: Tensor, stream: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """(B, L, dim), (B, L, dim) -> (B, L, dim)."""
        return self.added(branch, stream, attention_mask)
