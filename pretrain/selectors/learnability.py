"""Learnability selector: choose what is being learnt, instead of what is hard.

Hopeless tokens are never chosen. So they need no ban. The motive is learning progress (Oudeyer et al., IEEE TEC 2007).
It is read from two predictors of the loss, one behind the other, as in learning-progress monitoring (Hou et al., 2025,
arXiv 2509.25438). A second backbone that is ahead (Mindermann et al., ICML 2022, arXiv 2206.07137) or behind could show
it too, for the price of its forward pass. Predictors cost next to nothing.
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
"""Smallest deviation of progress that is trusted, relative to the mean loss.

Below it, the choice would follow the errors of the predictors. It would also follow its own effect: tokens that are not
chosen get worse, and a few of them, chosen again, seem to be learnt.
"""
_TINY = 1e-6


class LearnabilitySelector(LearnedSelector):
    """Choose tokens whose loss is falling.

    A network predicts the recovery loss of each token, relative to the running mean. A slow copy is the average of its
    weights over the run, where those of step s count s times. It predicts the loss at two thirds of the steps so far. A
    fixed lag would be too long for a short run. In a long run it would be too short: progress would not exceed the
    errors of the predictors.

    Tokens are ranked by the fall of their loss in deviations of the batch. If the deviation is very small, because the
    run starts or all is learnt, a fixed unit replaces it and tokens are chosen almost evenly. Noise is as hard now as
    before and relative to the falling mean it is harder. So it is not chosen. Retirement extrapolates the two
    predictors: it ranks by the loss expected after as much time again.

    Retirement is needed. In a long run without it, when all else is learnt, noise that was not chosen for long improves
    when it is chosen again. This is progress too. So noise would be chosen after all.
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
        """Return (B, U) the fall of the predicted loss in deviations."""
        progress = self._before(inputs) - scores
        # Padding and bars that no window reaches would make the deviation small, and noise weak.
        exist = self.unit.exist(inputs.tokens, inputs.attention_mask)
        count = exist.sum().clamp(min=1)
        mean = (progress * exist).sum() / count
        variance = ((progress - mean) ** 2 * exist).sum() / count
        return progress / variance.sqrt().clamp(min=_NOTABLE)

    def retirement(self, inputs: SelectorInput) -> Tensor:
        """Return (B, L) the expected loss: the present prediction, less the fall so far."""
        now = self.scores(inputs)
        return self.unit.tokens_of(2 * now - self._before(inputs), inputs.tokens)

    def loss(self, scores: Tensor, recovery: Tensor, valid: Tensor) -> Tensor:
        """Return the smooth absolute error of the predicted relative loss."""
        total, count = (recovery * valid).sum(), valid.sum()
        self.gathered += torch.stack([total, count.to(total.dtype)])
        # The first step has no other mean than that of its batch.
        mean = torch.where(self.steps > 0, self.mean, total / count.clamp(min=1)).clamp(min=_TINY)
        error = F.smooth_l1_loss(scores, recovery / mean, reduction="none")
        return (error * valid).sum() / count.clamp(min=1)

    @torch.no_grad()
    def after_step(self) -> None:
        """Update the running mean and the average of the weights (Shamir and Zhang, arXiv 1212.1824)."""
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
