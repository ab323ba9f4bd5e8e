"""Adversarial selector of "Let Network Decide What to Learn" (Zhao, ICMR 2025, arXiv 2407.08306)."""

from __future__ import annotations

import torch
from torch import Tensor

from pretrain.selectors.learned import LearnedSelector

_LABELLED = 0.3


def extremes(recovery: Tensor, valid: Tensor, share: float = _LABELLED) -> tuple[Tensor, Tensor]:
    """Return targets of the selector: 1 for the hardest masked tokens of each window, 0 for the easiest.

    Every window is labelled by itself in the same direction. The released code of the paper inverts every second one.

    Args:
        recovery: (B, K) recovery loss of masked tokens.
        valid: (B, K) bool.
        share: Proportion of the masked tokens that is labelled at either end.

    Returns:
        (B, K) float targets and (B, K) bool. True where a token has one. A window with one masked token has none.
    """
    count = valid.sum(1, keepdim=True)
    low_first = (
        recovery.masked_fill(~valid, torch.inf).argsort(dim=1, stable=True).argsort(dim=1, stable=True)
    )
    # At least one token at either end, where there are two.
    labelled = torch.minimum((share * count).round().clamp(min=1), count // 2)
    easy = valid & (low_first < labelled)
    hard = valid & (low_first >= count - labelled)
    return hard.float(), easy | hard


class AdversarialSelector(LearnedSelector):
    """Choose tokens that are expected to be hard, and learn from those that were.

    A network scores clean tokens. It is trained by the squared error of its sigmoid to the targets of `extremes`.
    Tokens that keep high scores are retired by `pretrain.objective.freezing`.
    """

    name = "adversarial"
    retires = True

    def loss(self, scores: Tensor, recovery: Tensor, valid: Tensor) -> Tensor:
        """Return the mean squared error over labelled units. 0 if there are none."""
        targets, labelled = extremes(recovery, valid)
        error = (scores.sigmoid() - targets) ** 2 * labelled
        return error.sum() / labelled.sum().clamp(min=1)
