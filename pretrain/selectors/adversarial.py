"""The adversary of "Let Network Decide What to Learn" (Zhao, ICMR 2025, arXiv 2407.08306)."""

from __future__ import annotations

import torch
from torch import Tensor

from pretrain.selectors.learned import LearnedSelector

_LABELLED = 0.3


def extremes(recovery: Tensor, valid: Tensor, share: float = _LABELLED) -> tuple[Tensor, Tensor]:
    """Targets of the selector: of the masked tokens of each window, the hardest are 1 and the easiest 0.

    Every window is labelled by itself, in the same direction: the released code of the paper inverts every
    second one.

    Args:
        recovery: (B, K) recovery loss of masked tokens.
        valid: (B, K) bool.
        share: Of a window's masked tokens, how many are labelled at either end.

    Returns:
        (B, K) float targets and (B, K) bool, true where a token has a target. A window with one masked token has none.
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
    """Masks what the backbone is expected to find hard, and learns from what it did find hard.

    A network scores clean tokens; it is trained by mean squared error of its sigmoid to the targets of `extremes`.
    Tokens that stay on top are retired by `pretrain.objective.freezing`.
    """

    name = "adversarial"
    retires = True

    def loss(self, scores: Tensor, recovery: Tensor, valid: Tensor) -> Tensor:
        """Mean squared error over labelled units; 0 where there are none."""
        targets, labelled = extremes(recovery, valid)
        error = (scores.sigmoid() - targets) ** 2 * labelled
        return error.sum() / labelled.sum().clamp(min=1)
