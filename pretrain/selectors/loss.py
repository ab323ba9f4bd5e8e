"""The upper control: the truly hardest rows, without a network to foresee them."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from pretrain.selectors.base import Selector, View

_TRIED = 2
"""How many times the largest number of rows chosen are tried."""
_PASSES = 7
"""Passes over a window in which every row is masked once: about the mask rate of training."""


class LossSelector(Selector):
    """Masks twice as many rows as it may choose, at random, and chooses those that the backbone recovers worst.

    It pays a forward pass of the backbone for what a learned selector must predict: the ceiling of what a prediction
    of loss can do, at a price of its own.
    """

    name = "loss"

    def scores(self, view: View) -> Tensor:
        """(B, L) recovery loss of the rows tried; minus infinity for the others."""
        shape = view.rows.shape[:2]
        counts = (_TRIED * self.schedule.cap * view.real.sum(1)).ceil().long()
        most = math.ceil(_TRIED * self.schedule.cap * shape[1])
        tried = self.unit.choose(view.noise(*shape), view.rows, view.real & ~view.frozen, counts, most)
        cells = tried.spread(shape[1])
        return torch.where(cells.any(-1), view.recovery(cells).sum(-1), -torch.inf)

    def retirement(self, view: View) -> Tensor:
        """(B, L) recovery loss of every row."""
        turn = view.noise(*view.rows.shape[:2]).argsort(1).argsort(1) % _PASSES
        losses = torch.zeros(turn.shape, device=turn.device)
        for number in range(_PASSES):
            cells = ((turn == number) & view.real)[..., None].expand(view.rows.shape)
            losses = losses + view.recovery(cells).sum(-1)
        return losses
