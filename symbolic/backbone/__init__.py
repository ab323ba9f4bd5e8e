"""Backbones: tokens of field ids in, one hidden state per token out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from symbolic.backbone.base import Backbone, Beside, Block, Entrance, Slot, SubLayer
from symbolic.backbone.config import KINDS, PRESETS, BackboneConfig, preset
from symbolic.backbone.conformer import ConformerBackbone
from symbolic.backbone.transformer import TransformerBackbone

__all__ = [
    "KINDS",
    "PRESETS",
    "Backbone",
    "BackboneConfig",
    "Beside",
    "Block",
    "ConformerBackbone",
    "Entrance",
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
"""By kind; `BackboneConfig` refuses any other."""


def build_backbone(config: BackboneConfig, sizes: Sequence[int]) -> Backbone:
    """A freshly initialised backbone.

    Args:
        config: Its shape.
        sizes: Ids of each field (`Vocabulary.sizes`).
    """
    return BACKBONES[config.kind](sizes, config)
