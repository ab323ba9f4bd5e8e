"""A bidirectional pre-norm Transformer over rows."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from symbolic.backbone.attention import Rotation, SelfAttention
from symbolic.backbone.base import Backbone, Block, Slot, SubLayer
from symbolic.backbone.config import BackboneConfig


class FeedForward(nn.Module):
    """Two linear layers about a GELU: (B, L, dim) -> (B, L, dim)."""

    def __init__(self, dim: int, ffn: int) -> None:
        super().__init__()
        self.up = nn.Linear(dim, ffn)
        self.activation = nn.GELU()
        self.down = nn.Linear(ffn, dim)

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, dim) -> (B, L, dim)."""
        out: Tensor = self.down(self.activation(self.up(x)))
        return out


class Dropout(nn.Dropout):
    """Dropout whose chance is cheap on a CPU: 16 random bits an element, and not a draw from a distribution.

    PyTorch's own takes four times as long there; in bfloat16 that is a twentieth of a step. The probability is
    rounded to a multiple of 2 ** -16.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Any shape -> the same."""
        if not self.training or not self.p or x.device.type != "cpu" or torch.compiler.is_compiling():
            return super().forward(x)
        words = torch.empty(-(-x.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
        bits = words.view(torch.int16)[: x.numel()].view(x.shape)
        kept = (bits >= round(self.p * 2**16) - 2**15).to(x.dtype)
        return x * kept.mul_(1 / (1 - self.p))


class TransformerBlock(Block):
    """Attention, then feed-forward, each on the normed stream and added back to it.

    Our own and not `nn.TransformerEncoderLayer`, whose fast path in eval mode passes adapters by in silence.

    Args:
        dim: Width of the hidden states.
        heads: Attention heads.
        ffn: Inner width of the feed-forward sub-layer.
        dropout: Probability on both residual branches.
        residual_std: Standard deviation of the initial weights of the projections that write to the stream.
    """

    linears = (
        "attention.query",
        "attention.key",
        "attention.value",
        "attention.output",
        "feedforward.up",
        "feedforward.down",
    )
    sublayers = (
        SubLayer("attention_norm", "attention", "after_attention"),
        SubLayer("feedforward_norm", "feedforward", "after_feedforward"),
    )

    def __init__(
        self, dim: int, heads: int, ffn: int, dropout: float = 0.1, residual_std: float = 0.02
    ) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(dim)
        self.attention = SelfAttention(dim, heads)
        self.after_attention = Slot()
        self.feedforward_norm = nn.LayerNorm(dim)
        self.feedforward = FeedForward(dim, ffn)
        self.after_feedforward = Slot()
        self.dropout = Dropout(dropout)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)
        for writer in (self.attention.output, self.feedforward.down):
            nn.init.normal_(writer.weight, std=residual_std)

    def forward(self, x: Tensor, rotation: Rotation, real: Tensor | None = None) -> Tensor:
        """(B, L, dim) -> (B, L, dim)."""
        attended = self.attention(self.attention_norm(x), rotation, real)
        x = self.after_attention(x + self.dropout(attended), real)
        computed = self.feedforward(self.feedforward_norm(x))
        out: Tensor = self.after_feedforward(x + self.dropout(computed), real)
        return out


class TransformerBackbone(Backbone):
    """A stack of `TransformerBlock`.

    Args:
        sizes: Ids of each field (`Vocabulary.sizes`).
        dim: Width of the hidden states.
        layers: Number of blocks.
        heads: Attention heads in each block.
        ffn: Inner width of the feed-forward sub-layers.
        window: Rows of a training window; recorded, not enforced.
        dropout: Probability on the embedding and on every residual branch.

    Raises:
        ConfigError: Names every argument that is wrong.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        *,
        dim: int,
        layers: int,
        heads: int,
        ffn: int,
        window: int,
        dropout: float = 0.1,
    ) -> None:
        config = BackboneConfig(
            kind="transformer",
            dim=dim,
            layers=layers,
            heads=heads,
            ffn=ffn,
            window=window,
            dropout=dropout,
        )
        # 2 * layers branches write to one stream: scaled so, their sum starts at the size of one (GPT-2).
        residual_std = 0.02 / (2 * layers) ** 0.5
        blocks = [TransformerBlock(dim, heads, ffn, dropout, residual_std) for _ in range(layers)]
        super().__init__(config, sizes, blocks)
