"""The upper control: the truly hardest tokens, without a network to foresee them."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from pretrain.selectors.base import Selector, SelectorInput

_TRIED = 2
"""How many times the largest number of tokens chosen are tried."""
_PASSES = 7
"""Passes over a window in which every token is masked once: about the mask rate of training."""


class LossSelector(Selector):
    """Masks twice as many tokens as it may choose, at random, and chooses those that the backbone recovers worst.

    It pays a forward pass of the backbone for what a learned selector must predict: the ceiling of what a prediction
    of loss can do, at a price of its own.
    """

    name = "loss"

    def scores(self, inputs: SelectorInput) -> Tensor:
        """(B, L) recovery loss of the tokens tried; minus infinity for the others."""
        shape = inputs.tokens.shape[:2]
        counts = (_TRIED * self.schedule.cap * inputs.attention_mask.sum(1)).ceil().long()
        most = math.ceil(_TRIED * self.schedule.cap * shape[1])
        tried = self.unit.choose(
            inputs.noise(*shape), inputs.tokens, inputs.attention_mask & ~inputs.frozen, counts, most
        )
        cells = tried.spread(shape[1])
        return torch.where(cells.any(-1), inputs.recovery(cells).sum(-1), -torch.inf)

    def retirement(self, inputs: SelectorInput) -> Tensor:
        """(B, L) recovery loss of every token."""
        turn = inputs.noise(*inputs.tokens.shape[:2]).argsort(1).argsort(1) % _PASSES
        losses = torch.zeros(turn.shape, device=turn.device)
        for number in range(_PASSES):
            cells = ((turn == number) & inputs.attention_mask)[..., None].expand(inputs.tokens.shape)
            losses = losses + inputs.recovery(cells).sum(-1)
        return losses
