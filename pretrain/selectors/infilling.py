"""Infilling selector: any proportion of the fields, to train for generation by iterative unmasking."""

from __future__ import annotations

from torch import Tensor

from pretrain.selectors.base import SelectorInput
from pretrain.selectors.uniform import UniformSelector
from symbolic.masking.passages import passage_ranking
from symbolic.masking.units import FieldUnit
from symbolic.tokens.vocabulary import BAR, RESERVED


class InfillingSelector(UniformSelector):
    """Choose a proportion u ~ U(0, 1) of a window's fields (Chang et al., MaskGIT, CVPR 2022, arXiv 2202.04200).

    Generation goes through all proportions. So all are trained. Fields, notes, bars and runs of notes are hidden
    together, see `passage_ranking`. Windows get louder or softer, so that music may have any constant velocity.
    Every chosen field is masked. With the weight 1 / u the loss bounds the negative log-likelihood (Austin et al.,
    D3PM, arXiv 2107.03006).
    """

    name = "infilling"
    units = (FieldUnit.name,)
    withholds_all = True
    absorbing = True
    any_loudness = True

    def scores(self, inputs: SelectorInput) -> Tensor:
        """Return (B, U) a random ranking of fields."""
        return passage_ranking(inputs.tokens, self.unit.sizes[BAR] - RESERVED, inputs.generator).flatten(1)

    def counts(self, inputs: SelectorInput) -> Tensor:
        """Return (B,) a random number of tokens for each window, padding excluded."""
        share = inputs.noise(len(inputs.tokens))
        return (share * inputs.attention_mask.sum(1)).ceil().long().clamp(min=1)

    def most(self, length: int) -> int:
        """Return all of them."""
        return length
