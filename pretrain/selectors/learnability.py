"""Seek what is being learnt, not what is hard: the hopeless are never sought, instead of sought and then banned.

Learning progress as a motive (Oudeyer et al., IEEE TEC 2007), read off two predictors of loss, one behind the other,
as in learning-progress monitoring (Hou et al., 2025, arXiv 2509.25438). What can still be learnt could also be told by
a second backbone that is ahead (Mindermann et al., ICML 2022, arXiv 2206.07137) or behind, at the price of its forward
pass; predictors cost next to nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy

import torch
from torch import Tensor
from torch.nn import functional as F

from pretrain.selectors.base import Schedule, SelectorInput, SelectorOptions
from pretrain.selectors.learned import LearnedSelector
from symbolic.backbone.config import BackboneConfig
from symbolic.masking.losses import all_reduce

_DECAY = 0.99
_NOTABLE = 0.2
"""Progress that counts for something, as a share of the mean loss.

With less, a choice goes by the predictors' errors, and by what choosing itself moves: tokens that are left alone get
worse, so that a few of them, chosen again, seem to be learnt.
"""
_TINY = 1e-6


class LearnabilitySelector(LearnedSelector):
    """Masks tokens whose loss is falling.

    A network predicts the recovery loss of each token, relative to the running mean. A slow copy is the average of its
    weights over the run, those of step s counted s times: at any time, it says what the loss was when two thirds of
    the steps so far were done. A lag of fixed length would be too long for a short run, and in a long one too short
    for progress to rise above the predictors' errors.

    Tokens are ranked by how much their loss has fallen, in units of its deviation in the batch. Where that is hardly
    notable, because the run begins or all is learnt, the unit is a fixed one, and tokens are chosen nearly alike.
    Noise is as hard now as before, and as the mean falls, harder by comparison: it is not sought. It is retired by
    where the two predictors point, the loss expected as much later again.

    Retiring matters: in a long run without it, when all else is learnt, noise that was left alone for long gets better
    where it is chosen again, which is progress too, and it is sought after all.
    """

    name = "learnability"
    retires = True

    mean: Tensor
    steps: Tensor
    gathered: Tensor

    def __init__(
        self,
        schedule: Schedule,
        sizes: Sequence[int],
        backbone: BackboneConfig,
        options: SelectorOptions | None = None,
    ) -> None:
        super().__init__(schedule, sizes, backbone, options)
        self.slow = deepcopy(self.network).requires_grad_(False)
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("gathered", torch.zeros(2), persistent=False)
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def preference(self, scores: Tensor, inputs: SelectorInput) -> Tensor:
        """(B, U) by how much the predicted loss has fallen, in deviations."""
        progress = self._before(inputs) - scores
        # Padding, and bars that no window reaches, would make the deviation small and chance weak.
        exist = self.unit.exist(inputs.tokens, inputs.attention_mask)
        count = exist.sum().clamp(min=1)
        mean = (progress * exist).sum() / count
        variance = ((progress - mean) ** 2 * exist).sum() / count
        return progress / variance.sqrt().clamp(min=_NOTABLE)

    def retirement(self, inputs: SelectorInput) -> Tensor:
        """(B, L) the loss to be expected: the prediction of now, less as much as it has fallen."""
        now = self.scores(inputs)
        return self.unit.tokens_of(2 * now - self._before(inputs), inputs.tokens)

    def loss(self, scores: Tensor, recovery: Tensor, valid: Tensor) -> Tensor:
        """Smooth absolute error of the predicted relative loss."""
        total, count = (recovery * valid).sum(), valid.sum()
        self.gathered += torch.stack([total, count.to(total.dtype)])
        # In the first step there is no mean yet but the batch's own.
        mean = torch.where(self.steps > 0, self.mean, total / count.clamp(min=1)).clamp(min=_TINY)
        error = F.smooth_l1_loss(scores, recovery / mean, reduction="none")
        return (error * valid).sum() / count.clamp(min=1)

    @torch.no_grad()
    def after_step(self) -> None:
        """Move the mean, and take the network's weights into the average (Shamir and Zhang, arXiv 1212.1824)."""
        all_reduce(self.gathered)  # so that all processes have one mean
        now = self.gathered[0] / self.gathered[1].clamp(min=1)
        self.mean.copy_(torch.where(self.steps > 0, self.mean.lerp(now, 1 - _DECAY), now))
        self.gathered.zero_()
        self.steps += 1
        weight = 2 / (self.steps + 1)
        for slow, fast in zip(self.slow.parameters(), self.network.parameters(), strict=True):
            slow.lerp_(fast, weight.to(slow.dtype))

    @torch.no_grad()
    def _before(self, inputs: SelectorInput) -> Tensor:
        scores = self.slow(inputs.tokens, inputs.attend, inputs.backbone).float()
        return self.unit.pool(scores, inputs.tokens, inputs.attention_mask)
