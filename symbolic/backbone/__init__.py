"""Backbones: rows of field ids in, one hidden state per row out."""

from __future__ import annotations

from collections.abc import Sequence

from symbolic.backbone.base import Backbone, Block, Slot, SubLayer
from symbolic.backbone.config import KINDS, PRESETS, BackboneConfig, preset
from symbolic.backbone.transformer import TransformerBackbone

__all__ = [
    "KINDS",
    "PRESETS",
    "Backbone",
    "BackboneConfig",
    "Block",
    "Slot",
    "SubLayer",
    "TransformerBackbone",
    "build_backbone",
    "preset",
]


def build_backbone(config: BackboneConfig, sizes: Sequence[int]) -> Backbone:
    """A freshly initialised backbone.

    Args:
        config: Its shape.
        sizes: Ids of each field (`Vocabulary.sizes`).
    """
    # One kind so far; `BackboneConfig` has refused any other.
    return TransformerBackbone(
        sizes,
        dim=config.dim,
        layers=config.layers,
        heads=config.heads,
        ffn=config.ffn,
        window=config.window,
        dropout=config.dropout,
    )
