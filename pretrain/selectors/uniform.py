"""Random rows at a fixed rate: the ordinary masked language model."""

from __future__ import annotations

import torch
from torch import Tensor

from pretrain.selectors.base import Selector


class UniformSelector(Selector):
    """Every real row is as likely as any other; the cap of the schedule is the rate, and nothing is frozen."""

    name = "uniform"

    def scores(self, rows: Tensor, real: Tensor | None, generator: torch.Generator) -> Tensor:
        """(B, L) uniform noise."""
        return torch.rand(rows.shape[:2], device=rows.device, generator=generator)

    def counts(self, real: Tensor, frozen: Tensor, generator: torch.Generator) -> Tensor:
        """(B,) the fixed rate of each window's real rows."""
        return (self.schedule.cap * real.sum(1)).round().long().clamp(min=1)
