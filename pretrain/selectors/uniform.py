"""Random units at a fixed rate: the ordinary masked language model."""

from __future__ import annotations

from torch import Tensor

from pretrain.selectors.base import Selector, SelectorInput
from symbolic.masking.units import UNITS


class UniformSelector(Selector):
    """Every real token is as likely as any other; the cap of the schedule is the rate, and nothing is frozen."""

    name = "uniform"
    units = tuple(UNITS)

    def scores(self, inputs: SelectorInput) -> Tensor:
        """(B, U) uniform noise."""
        return inputs.noise(len(inputs.tokens), self.unit.count(inputs.tokens.shape[1]))

    def counts(self, inputs: SelectorInput) -> Tensor:
        """(B,) the fixed rate of each window's tokens that are not padding; never more than are unfrozen."""
        return (self.schedule.cap * inputs.attention_mask.sum(1)).round().long().clamp(min=1)
