"""A backbone small enough to count by hand, for the tests of adapters."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from symbolic.adapters import Adapter
from symbolic.backbone import Backbone, BackboneConfig, build_backbone

SIZES = (12, 10, 9, 11, 8, 7, 6, 8)
CONFIG = BackboneConfig(dim=16, layers=2, heads=2, ffn=32, window=16)
ROWS = torch.stack([torch.randint(4, size, (2, 6), generator=torch.manual_seed(1)) for size in SIZES], dim=-1)
REAL = torch.arange(6) < torch.tensor([[4], [6]])


def small(kind: str) -> Backbone:
    """Make a backbone of that kind in eval mode, always with the same weights."""
    torch.manual_seed(0)
    return build_backbone(replace(CONFIG, kind=kind), SIZES).eval()


def output(backbone: Backbone) -> Tensor:
    """Of its tokens that are not padding."""
    with torch.no_grad():
        return backbone(ROWS, REAL)[REAL]


def stir(adapter: Adapter) -> None:
    """Move the adapter's parameters as training would."""
    with torch.no_grad():
        for parameter in adapter.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
