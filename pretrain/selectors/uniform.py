"""Random units at a fixed rate: the ordinary masked language model."""

from __future__ import annotations

from torch import Tensor

from pretrain.selectors.base import Selector, View
from symbolic.masking.units import UNITS


class UniformSelector(Selector):
    """Every real token is as likely as any other; the cap of the schedule is the rate, and nothing is frozen."""

    name = "uniform"
    units = tuple(UNITS)

    def scores(self, view: View) -> Tensor:
        """(B, U) uniform noise."""
        return view.noise(len(view.tokens), self.unit.count(view.tokens.shape[1]))

    def counts(self, view: View) -> Tensor:
        """(B,) the fixed rate of each window's tokens that are not padding; never more than are unfrozen."""
        return (self.schedule.cap * view.attention_mask.sum(1)).round().long().clamp(min=1)
