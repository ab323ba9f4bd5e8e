"""Any share of the fields, from none to all: training for generation by iterative unmasking."""

from __future__ import annotations

from torch import Tensor

from pretrain.selectors.base import SelectorInput
from pretrain.selectors.uniform import UniformSelector
from symbolic.masking.units import FieldUnit


class InfillingSelector(UniformSelector):
    """Hides a share u ~ U(0, 1) of a window's fields (Chang et al., MaskGIT, CVPR 2022, arXiv 2202.04200).

    Generation meets every share in turn, so every share is trained; and what is hidden is masked without exception.
    """

    name = "infilling"
    units = (FieldUnit.name,)
    withholds_all = True

    def counts(self, inputs: SelectorInput) -> Tensor:
        """(B,) a share of each window's tokens that are not padding, drawn for each."""
        share = inputs.noise(len(inputs.tokens))
        return (share * inputs.attention_mask.sum(1)).ceil().long().clamp(min=1)

    def most(self, length: int) -> int:
        """All of them."""
        return length
