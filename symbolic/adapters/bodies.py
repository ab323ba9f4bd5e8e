"""Bottleneck networks, which map the residual stream to itself through a narrow space."""

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
"""Initialisations of up-projections: zero; within 0.02 of zero, as in Houlsby et al. (arXiv 1902.00751); or PyTorch's.

"""
DILATIONS = (1, 2, 4, 8)


class Body(nn.Module):
    """Project down, compute, project up: (B, L, dim) to (B, L, dim). The output is zero at first.

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
        """Initialise the up-projection. If the down-projection were zero too, only a bias would ever learn.

        Args:
            init: Initialisation of the weight, one of `STARTS`.
            zero_bias: Start the bias at zero, else as PyTorch does.
        """
        self.up.reset_parameters()
        if init == "zero":
            nn.init.zeros_(self.up.weight)
        elif init == "near_zero":
            nn.init.trunc_normal_(self.up.weight, std=0.01, a=-0.02, b=0.02)
        if zero_bias:
            nn.init.zeros_(self.up.bias)

    def forward(self, x: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Turn (B, L, dim) into (B, L, dim)."""
        out: Tensor = self.up(self.narrow(self.down(x), attention_mask))
        return out

    def narrow(self, x: Tensor, attention_mask: Tensor | None) -> Tensor:
        """Compute within the bottleneck: (B, L, rank) to (B, L, rank). Here this is the activation alone."""
        return self.activation(x)


class ConvBody(Body):
    """Dilated residual convolutions over tokens and a gate on the channels of a window.

    The design is of Mehta et al. (arXiv 2506.21298) with squeeze-and-excitation (arXiv 1709.01507). Padding is set
    to zero before each convolution and left out of the gate's mean.

    Args:
        dim: Width of the stream.
        rank: Width of the bottleneck.
        activation: One of `ACTIVATIONS`.
        kernel: Tokens in a convolution's reach without dilation, odd.
    """

    def __init__(self, dim: int, rank: int, activation: str = "gelu", kernel: int = 3) -> None:
        super().__init__(dim, rank, activation)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(rank, rank, kernel, padding=dilation * (kernel // 2), dilation=dilation)
            for dilation in DILATIONS
        )
        squeezed = max(1, rank // 4)
        # SiLU instead of the original's ReLU, since so few units must not die.
        self.gate = nn.Sequential(
            nn.Linear(rank, squeezed), nn.SiLU(), nn.Linear(squeezed, rank), nn.Sigmoid()
        )

    def narrow(self, x: Tensor, attention_mask: Tensor | None) -> Tensor:
        """Turn (B, L, rank) into (B, L, rank)."""
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
        heads: Number of attention heads. It divides the rank.
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
        """Turn (B, L, rank) into (B, L, rank)."""
        shape = (*x.shape[:2], self.heads, -1)
        parts = self.projections(self.attention_norm(x)).chunk(3, dim=-1)
        query, key, value = (part.reshape(shape).transpose(1, 2) for part in parts)
        mask = None if attention_mask is None else attention_mask[:, None, None, :]
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        x = x + self.output(mixed.transpose(1, 2).flatten(2))
        out: Tensor = x + self.slim(self.activation(self.wide(self.feedforward_norm(x))))
        return out


class Added(nn.Module):
    """A bottleneck network that is added to a tensor: `to + scale * body(norm(stream))`.

    Args:
        body: The network.
        norm: A norm before it or None.
        scale: Factor of its output.
        learn_scale: Train the factor.
    """

    def __init__(
        self, body: Body, norm: nn.LayerNorm | None = None, scale: float = 1.0, learn_scale: bool = False
    ) -> None:
        super().__init__()
        self.body, self.norm = body, norm
        self.scale = nn.Parameter(torch.tensor(float(scale))) if learn_scale else scale

    def add(self, to: Tensor, stream: Tensor, attention_mask: Tensor | None) -> Tensor:
        """Add the network's output for `stream` (B, L, dim) to `to` (B, L, dim)."""
        change = self.body(stream if self.norm is None else self.norm(stream), attention_mask)
        if isinstance(self.scale, Tensor):
            return torch.addcmul(to, change, self.scale.type_as(change))
        return torch.add(to, change, alpha=self.scale)


class Sequential(Added):
    """A bottleneck after a branch, which reads the branch's sum with the stream."""

    def forward(self, x: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Turn the stream (B, L, dim) into (B, L, dim)."""
        return self.add(x, x, attention_mask)


class Parallel(Added):
    """A bottleneck parallel to a branch, which reads the branch's input."""

    def forward(self, branch: Tensor, stream: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Add to the branch's output (B, L, dim) from the stream (B, L, dim)."""
        return self.add(branch, stream, attention_mask)
