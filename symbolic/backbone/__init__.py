"""Backbones turn tokens into one hidden state per token."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from symbolic.backbone.config import KINDS, PRESETS, BackboneConfig, preset
from symbolic.registry import Registry, lazy_names

if TYPE_CHECKING:
    from symbolic.backbone.base import Backbone, Block, Entrance, ParallelSlot, Slot, SubLayer
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

BACKBONES: Registry[Callable[[Sequence[int], BackboneConfig], Backbone]] = Registry(
    "symbolic.backbone",
    {"transformer": "transformer:TransformerBackbone", "conformer": "conformer:ConformerBackbone"},
)
"""The backbones by kind; `BackboneConfig` refuses any other. Their names cost no import of torch."""

_BASE = ("Backbone", "Block", "Entrance", "ParallelSlot", "Slot", "SubLayer")
__getattr__ = lazy_names(
    __name__,
    {
        **dict.fromkeys(_BASE, "base"),
        "ConformerBackbone": "conformer",
        "TransformerBackbone": "transformer",
    },
)


def build_backbone(config: BackboneConfig, sizes: Sequence[int]) -> Backbone:
    """Build a freshly initialised backbone.

    Args:
        config: The shape of the backbone.
        sizes: Number of ids of each field (`Vocabulary.sizes`).
    """
    return BACKBONES[config.kind](sizes, config)
