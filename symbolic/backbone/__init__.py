"""Backbones turn tokens into one hidden state per token."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from symbolic.backbone.base import Backbone, Block, Entrance, ParallelSlot, Slot, SubLayer
from symbolic.backbone.config import KINDS, PRESETS, BackboneConfig, preset
from symbolic.backbone.conformer import ConformerBackbone
from symbolic.backbone.transformer import TransformerBackbone

__all__ = [
    "KINDS",
    "PRESETS",
    "Backbone",
    "BackboneConfig",
    "Block",
    "ConformerBackbone",
    "Entrance",
    "ParallelSlot",
    "Slot",
    "SubLayer",
    "TransformerBackbone",
    "build_backbone",
    "preset",
]


BACKBONES: dict[str, Callable[[Sequence[int], BackboneConfig], Backbone]] = {
    "transformer": TransformerBackbone,
    "conformer": ConformerBackbone,
}
"""Classes by `BackboneConfig.kind`."""


def build_backbone(config: BackboneConfig, sizes: Sequence[int]) -> Backbone:
    """Build a freshly initialised backbone.

    Args:
        config: The shape of the backbone.
        sizes: Number of ids of each field (`Vocabulary.sizes`).
    """
    return BACKBONES[config.kind](sizes, config)
