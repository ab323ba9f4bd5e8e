"""The network of a learned selector: small, and its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor, nn

from symbolic.backbone import build_backbone
from symbolic.backbone.config import BackboneConfig


class SelectorNetwork(nn.Module):
    """A narrow, shallow backbone with one output a row.

    The reference shares the backbone's encoder, which costs a second full forward and backward pass and lets
    two losses pull at one set of weights. Nothing is shared here, so choosing costs a fraction of a step.

    Args:
        sizes: Ids of each field.
        backbone: Shape of the backbone; the selector has a quarter of its width and at most two of its layers.
    """

    def __init__(self, sizes: Sequence[int], backbone: BackboneConfig) -> None:
        super().__init__()
        width = max(32, backbone.dim // 4)
        shape = replace(
            backbone, dim=width, heads=2, ffn=2 * width, layers=min(2, backbone.layers), dropout=0.0
        )
        self.body = build_backbone(shape, sizes)
        self.score = nn.Linear(width, 1)

    def forward(self, rows: Tensor, real: Tensor | None = None) -> Tensor:
        """(B, L, 8) clean ids -> (B, L) logits."""
        logits: Tensor = self.score(self.body(rows, real)).squeeze(-1)
        return logits
