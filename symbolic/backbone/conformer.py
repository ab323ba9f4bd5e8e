"""A bidirectional Conformer: attention for distant tokens, convolution for near ones."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from symbolic.backbone.attention import Rotation, SelfAttention
from symbolic.backbone.base import Backbone, Block, ParallelSlot, Slot, SubLayer, initialise
from symbolic.backbone.config import BackboneConfig
from symbolic.backbone.depthwise import Depthwise
from symbolic.backbone.parts import Dropout, FeedForward

KERNEL = 15
"""Tokens in the reach of a convolution, about four beats of two voices in eighths."""


class Convolution(nn.Module):
    """Widen, gate, mix neighbouring tokens within each channel, norm, Swish, narrow: (B, L, dim) to (B, L, dim).

    The norm is a LayerNorm. The original's batch norm would count padding and make a window depend on others.

    Args:
        dim: Width of the hidden states.
        kernel: Number of tokens that are mixed, odd.
    """

    def __init__(self, dim: int, kernel: int = KERNEL) -> None:
        super().__init__()
        self.widen = nn.Linear(dim, 2 * dim)
        self.depthwise = Depthwise(dim, kernel)
        self.norm = nn.LayerNorm(dim)
        self.narrow = nn.Linear(dim, dim)

    def forward(self, x: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Mix the tokens (B, L, dim). Padding, false in `attention_mask`, counts as zeros."""
        gated = F.glu(self.widen(x), dim=-1)
        if attention_mask is not None:
            gated = gated * attention_mask[..., None]
        out: Tensor = self.narrow(F.silu(self.norm(self.depthwise(gated))))
        return out


class ConformerBlock(Block):
    """Half a feed-forward, attention, convolution, half a feed-forward, norm (Gulati et al., arXiv 2005.08100).

    Args:
        dim: Width of the hidden states.
        heads: Number of attention heads.
        ffn: Inner width of both feed-forward sub-layers.
        dropout: Dropout probability on the residual branches.
        residual_std: Standard deviation of the initial weights that write to the stream.
    """

    linears = (
        "first.up",
        "first.down",
        "attention.query",
        "attention.key",
        "attention.value",
        "attention.output",
        "convolution.widen",
        "convolution.narrow",
        "second.up",
        "second.down",
    )
    sublayers = tuple(
        SubLayer(f"{name}_norm", name, f"beside_{name}", f"after_{name}")
        for name in ("first", "attention", "convolution", "second")
    )

    def __init__(
        self, dim: int, heads: int, ffn: int, dropout: float = 0.1, residual_std: float = 0.02
    ) -> None:
        super().__init__()
        self.first_norm, self.first = nn.LayerNorm(dim), FeedForward(dim, ffn, nn.SiLU())
        self.beside_first, self.after_first = ParallelSlot(), Slot()
        self.attention_norm, self.attention = nn.LayerNorm(dim), SelfAttention(dim, heads)
        self.beside_attention, self.after_attention = ParallelSlot(), Slot()
        self.convolution_norm, self.convolution = nn.LayerNorm(dim), Convolution(dim)
        self.beside_convolution, self.after_convolution = ParallelSlot(), Slot()
        self.second_norm, self.second = nn.LayerNorm(dim), FeedForward(dim, ffn, nn.SiLU())
        self.beside_second, self.after_second = ParallelSlot(), Slot()
        self.norm = nn.LayerNorm(dim)
        self.dropout = Dropout(dropout)
        writers = (self.first.down, self.attention.output, self.convolution.narrow, self.second.down)
        initialise(self, writers, residual_std)

    def forward(self, x: Tensor, rotation: Rotation, attention_mask: Tensor | None = None) -> Tensor:
        """Turn the stream (B, L, dim) into (B, L, dim)."""
        x = self._add(
            x, self.first(self.first_norm(x)), self.beside_first, self.after_first, attention_mask, 0.5
        )
        attended = self.attention(self.attention_norm(x), rotation, attention_mask)
        x = self._add(x, attended, self.beside_attention, self.after_attention, attention_mask)
        mixed = self.convolution(self.convolution_norm(x), attention_mask)
        x = self._add(x, mixed, self.beside_convolution, self.after_convolution, attention_mask)
        x = self._add(
            x, self.second(self.second_norm(x)), self.beside_second, self.after_second, attention_mask, 0.5
        )
        out: Tensor = self.norm(x)
        return out

    def _add(
        self,
        x: Tensor,
        branch: Tensor,
        parallel: nn.Module,
        after: nn.Module,
        attention_mask: Tensor | None,
        share: float = 1.0,
    ) -> Tensor:
        """Add a branch to the stream, through the adapters parallel to it and after it."""
        summed: Tensor = after(x + share * self.dropout(parallel(branch, x, attention_mask)), attention_mask)
        return summed


class ConformerBackbone(Backbone):
    """A stack of `ConformerBlock`.

    Args:
        sizes: Number of ids of each field (`Vocabulary.sizes`).
        config: The shape.
    """

    def __init__(self, sizes: Sequence[int], config: BackboneConfig) -> None:
        # 4 * layers branches write to one stream. Scaled like this, their sum starts at the size of one (GPT-2).
        residual_std = 0.02 / (4 * config.layers) ** 0.5
        blocks = [
            ConformerBlock(config.dim, config.heads, config.ffn, config.dropout, residual_std)
            for _ in range(config.layers)
        ]
        super().__init__(config, sizes, blocks)
