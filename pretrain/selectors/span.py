"""Span selector: random runs of neighbouring tokens (SpanBERT, Joshi et al., 2020, arXiv 1907.10529)."""

from __future__ import annotations

from torch import Tensor

from pretrain.selectors.base import SelectorInput
from pretrain.selectors.uniform import UniformSelector
from symbolic.masking.units import TokenUnit

_MEAN = 5.0
"""Mean length of a run. SpanBERT has runs of 3.8 words; five notes are a chord or a short figure."""


class SpanSelector(UniformSelector):
    """Choose whole runs of geometric length at random. The last one is cut where the count ends."""

    name = "span"
    units = (TokenUnit.name,)

    def scores(self, inputs: SelectorInput) -> Tensor:
        """Return (B, L) noise that is the same for all tokens of a run."""
        shape = inputs.tokens.shape[:2]
        run = (inputs.noise(*shape) < 1 / _MEAN).cumsum(1)
        return inputs.noise(shape[0], shape[1] + 1).gather(1, run)
