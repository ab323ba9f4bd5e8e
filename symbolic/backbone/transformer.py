"""A bidirectional pre-norm Transformer."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from symbolic.backbone.attention import Rotation, SelfAttention
from symbolic.backbone.base import Backbone, Block, ParallelSlot, Slot, SubLayer, initialise
from symbolic.backbone.config import BackboneConfig
from symbolic.backbone.parts import Dropout, FeedForward


class TransformerBlock(Block):
    """Attention, then feed-forward. Each reads the normed stream and is added to it.

    `nn.TransformerEncoderLayer` is not used since its fast path in eval mode silently skips adapters.

    Args:
        dim: Width of the hidden states.
        heads: Number of attention heads.
        ffn: Inner width of the feed-forward sub-layer.
        dropout: Dropout probability on both residual branches.
        residual_std: Standard deviation of the initial weights that write to the stream.
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
        SubLayer("attention_norm", "attention", "beside_attention", "after_attention"),
        SubLayer("feedforward_norm", "feedforward", "beside_feedforward", "after_feedforward"),
    )

    def __init__(
        self, dim: int, heads: int, ffn: int, dropout: float = 0.1, residual_std: float = 0.02
    ) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(dim)
        self.attention = SelfAttention(dim, heads)
        self.beside_attention = ParallelSlot()
        self.after_attention = Slot()
        self.feedforward_norm = nn.LayerNorm(dim)
        self.feedforward = FeedForward(dim, ffn)
        self.beside_feedforward = ParallelSlot()
        self.after_feedforward = Slot()
        self.dropout = Dropout(dropout)
        initialise(self, (self.attention.output, self.feedforward.down), residual_std)

    def forward(self, x: Tensor, rotation: Rotation, attention_mask: Tensor | None = None) -> Tensor:
        """Turn the stream (B, L, dim) into (B, L, dim)."""
        attended = self.attention(self.attention_norm(x), rotation, attention_mask)
        x = self.after_attention(
            x + self.dropout(self.beside_attention(attended, x, attention_mask)), attention_mask
        )
        computed = self.feedforward(self.feedforward_norm(x))
        out: Tensor = self.after_feedforward(
            x + self.dropout(self.beside_feedforward(computed, x, attention_mask)), attention_mask
        )
        return out


class TransformerBackbone(Backbone):
    """A stack of `TransformerBlock`.

    Args:
        sizes: Number of ids of each field (`Vocabulary.sizes`).
        config: The shape. Its window is recorded, not enforced.
    """

    def __init__(self, sizes: Sequence[int], config: BackboneConfig) -> None:
        # 2 * layers branches write to one stream. Scaled like this, their sum starts at the size of one (GPT-2).
        residual_std = 0.02 / (2 * config.layers) ** 0.5
        blocks = [
            TransformerBlock(config.dim, config.heads, config.ffn, config.dropout, residual_std)
            for _ in range(config.layers)
        ]
        super().__init__(config, sizes, blocks)
