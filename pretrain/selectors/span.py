"""Runs of neighbouring tokens, at random (SpanBERT, Joshi et al., 2020, arXiv 1907.10529)."""

from __future__ import annotations

from torch import Tensor

from pretrain.selectors.base import SelectorInput
from pretrain.selectors.uniform import UniformSelector
from symbolic.masking.units import TokenUnit

_MEAN = 5.0
"""Tokens in a run on average. SpanBERT's words come in runs of 3.8; five notes are a chord or a short figure."""


class SpanSelector(UniformSelector):
    """`uniform` by runs of geometric length: whole runs are hidden, the last one cut where the budget ends."""

    name = "span"
    units = (TokenUnit.name,)

    def scores(self, inputs: SelectorInput) -> Tensor:
        """(B, L) noise that all tokens of a run have in common."""
        shape = inputs.tokens.shape[:2]
        run = (inputs.noise(*shape) < 1 / _MEAN).cumsum(1)
        return inputs.noise(shape[0], shape[1] + 1).gather(1, run)
