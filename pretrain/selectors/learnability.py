"""Seek what is being learnt, not what is hard: the hopeless are never sought, instead of sought and then banned.

Our own; kin to learning progress (Oudeyer et al., IEEE TEC 2007) and to the reducible loss of Mindermann et al.
(ICML 2022, arXiv 2206.07137), but without a second backbone: progress is read off two predictors of loss.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy

import torch
from torch import Tensor
from torch.nn import functional as F

from pretrain.losses import all_reduce
from pretrain.selectors.base import Schedule, SelectorOptions, View
from pretrain.selectors.learned import LearnedSelector
from symbolic.backbone.config import BackboneConfig

_DECAY = 0.99
_TINY = 1e-6


class LearnabilitySelector(LearnedSelector):
    """Masks rows whose loss is falling.

    A network predicts the recovery loss of each row, relative to the running mean; a slow copy follows its weights
    as a moving average, so it says what the loss was a while ago. Rows are ranked by the difference, in units of its
    deviation in the batch. Noise is as hard now as before: it is not sought. It is retired by where the two
    predictors point, the loss expected as much later again.
    """

    name = "learnability"
    retires = True

    mean: Tensor

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

    def preference(self, scores: Tensor, view: View) -> Tensor:
        """(B, U) by how much the predicted loss has fallen, in deviations."""
        progress = self._before(view) - scores
        # Padding, and bars that no window reaches, would make the deviation small and chance weak.
        exist = self.unit.exist(view.rows, view.real)
        count = exist.sum().clamp(min=1)
        mean = (progress * exist).sum() / count
        variance = ((progress - mean) ** 2 * exist).sum() / count
        return progress / variance.sqrt().clamp(min=_TINY)

    def retirement(self, view: View) -> Tensor:
        """(B, L) the loss to be expected: the prediction of now, less as much as it has fallen."""
        now = self.scores(view)
        return self.unit.rows_of(2 * now - self._before(view), view.rows)

    def loss(self, scores: Tensor, recovery: Tensor, valid: Tensor) -> Tensor:
        """Smooth absolute error of the predicted relative loss."""
        sums = torch.stack([(recovery * valid).sum(), valid.sum().to(recovery.dtype)])
        everywhere = sums.clone()
        all_reduce(everywhere)  # so that all processes have one mean
        now = everywhere[0] / everywhere[1].clamp(min=1)
        # The first batch sets the mean, later ones move it.
        self.mean.copy_(torch.where(self.mean > 0, self.mean.lerp(now, 1 - _DECAY), now))
        error = F.smooth_l1_loss(scores, recovery / self.mean.clamp(min=_TINY), reduction="none")
        return (error * valid).sum() / sums[1].clamp(min=1)

    @torch.no_grad()
    def after_step(self) -> None:
        """Let the slow network follow."""
        for slow, fast in zip(self.slow.parameters(), self.network.parameters(), strict=True):
            slow.lerp_(fast, 1 - _DECAY)

    @torch.no_grad()
    def _before(self, view: View) -> Tensor:
        scores = self.slow(view.rows, view.attend, view.backbone).float()
        return self.unit.pool(scores, view.rows, view.real)
