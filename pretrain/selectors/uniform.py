"""Uniform selector: random units at a fixed rate, the ordinary masked language model."""

from __future__ import annotations

from torch import Tensor

from pretrain.selectors.base import Selector, SelectorInput
from symbolic.masking.units import UNITS


class UniformSelector(Selector):
    """Choose tokens at random. The cap of the schedule is the mask rate and nothing is frozen."""

    name = "uniform"
    units = tuple(UNITS)

    def scores(self, inputs: SelectorInput) -> Tensor:
        """Return (B, U) uniform noise."""
        return inputs.noise(len(inputs.tokens), self.unit.count(inputs.tokens.shape[1]))

    def counts(self, inputs: SelectorInput) -> Tensor:
        """Return (B,) the fixed proportion of each window's tokens, padding excluded."""
        return (self.schedule.cap * inputs.attention_mask.sum(1)).round().long().clamp(min=1)
