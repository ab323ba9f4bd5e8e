"""Loss selector, the upper control: the tokens that are hardest in fact, without a network to predict them."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from pretrain.selectors.base import Selector, SelectorInput

_TRIED = 2
"""Tokens tried, as a multiple of the largest count of chosen tokens."""
_PASSES = 7
"""Passes in which every token of a window is masked once, at about the mask rate of training."""


class LossSelector(Selector):
    """Mask twice as many random tokens as needed and choose those that the backbone recovers worst.

    It costs a forward pass of the backbone. No prediction of the loss can choose better. So it is the upper bound of
    learned selectors.
    """

    name = "loss"

    def scores(self, inputs: SelectorInput) -> Tensor:
        """Return (B, L) the recovery loss of the tokens tried. Minus infinity for the others."""
        shape = inputs.tokens.shape[:2]
        counts = (_TRIED * self.schedule.cap * inputs.attention_mask.sum(1)).ceil().long()
        most = math.ceil(_TRIED * self.schedule.cap * shape[1])
        tried = self.unit.choose(
            inputs.noise(*shape), inputs.tokens, inputs.attention_mask & ~inputs.frozen, counts, most
        )
        cells = tried.spread(shape[1])
        return torch.where(cells.any(-1), inputs.recovery(cells).sum(-1), -torch.inf)

    def retirement(self, inputs: SelectorInput) -> Tensor:
        """Return (B, L) the recovery loss of every token."""
        turn = inputs.noise(*inputs.tokens.shape[:2]).argsort(1).argsort(1) % _PASSES
        losses = torch.zeros(turn.shape, device=turn.device)
        for number in range(_PASSES):
            cells = ((turn == number) & inputs.attention_mask)[..., None].expand(inputs.tokens.shape)
            losses = losses + inputs.recovery(cells).sum(-1)
        return losses
