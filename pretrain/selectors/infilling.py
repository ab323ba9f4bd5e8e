"""Infilling selector: any proportion of the fields, to train for generation by iterative unmasking."""

from __future__ import annotations

from torch import Tensor

from pretrain.selectors.base import SelectorInput
from pretrain.selectors.uniform import UniformSelector
from symbolic.masking.units import FieldUnit


class InfillingSelector(UniformSelector):
    """Choose a proportion u ~ U(0, 1) of a window's fields (Chang et al., MaskGIT, CVPR 2022, arXiv 2202.04200).

    Generation goes through all proportions. So all are trained. Every chosen field is masked.
    """

    name = "infilling"
    units = (FieldUnit.name,)
    withholds_all = True

    def counts(self, inputs: SelectorInput) -> Tensor:
        """Return (B,) a random number of tokens for each window, padding excluded."""
        share = inputs.noise(len(inputs.tokens))
        return (share * inputs.attention_mask.sum(1)).ceil().long().clamp(min=1)

    def most(self, length: int) -> int:
        """Return all of them."""
        return length
