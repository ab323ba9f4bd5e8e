"""The adversary of "Let Network Decide What to Learn" (Zhao, ICMR 2025, arXiv 2407.08306)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pretrain.selectors.base import Schedule, Selector
from pretrain.selectors.network import SelectorNetwork
from symbolic.backbone.config import BackboneConfig

_LABELLED = 0.3


def extremes(recovery: Tensor, valid: Tensor, share: float = _LABELLED) -> tuple[Tensor, Tensor]:
    """Targets of the selector: of the masked rows of each window, the hardest are 1 and the easiest 0.

    Every window is labelled by itself, in the same direction: the released code of the paper inverts every
    second one.

    Args:
        recovery: (B, K) recovery loss of masked rows.
        valid: (B, K) bool.
        share: Of a window's masked rows, how many are labelled at either end.

    Returns:
        (B, K) float targets and (B, K) bool, true where a row has a target. A window with one masked row has none.
    """
    count = valid.sum(1, keepdim=True)
    low_first = (
        recovery.masked_fill(~valid, torch.inf).argsort(dim=1, stable=True).argsort(dim=1, stable=True)
    )
    # At least one row at either end, where there are two.
    labelled = torch.minimum((share * count).round().clamp(min=1), count // 2)
    easy = valid & (low_first < labelled)
    hard = valid & (low_first >= count - labelled)
    return hard.float(), easy | hard


class AdversarialSelector(Selector):
    """Masks what the backbone is expected to find hard, and learns from what it did find hard.

    A small network of its own scores clean rows; it is trained by mean squared error of its sigmoid to the
    targets of `extremes`. Rows that stay on top are retired by `pretrain.freezing`.
    """

    name = "adversarial"
    learns = True
    retires = True

    def __init__(
        self, schedule: Schedule, sizes: Sequence[int], backbone: BackboneConfig, exploration: float = 1.0
    ) -> None:
        super().__init__(schedule, sizes, backbone, exploration)
        self.network = SelectorNetwork(sizes, backbone)

    def scores(self, rows: Tensor, real: Tensor | None, generator: torch.Generator) -> Tensor:
        """(B, L) logits of being among the hardest."""
        logits: Tensor = self.network(rows, real)
        return logits

    def ranking(self, scores: Tensor, generator: torch.Generator) -> Tensor:
        """(B, L) scores with Gumbel noise: rows are drawn in proportion to exp(score / exploration).

        Always taking the top, as the paper does (exploration 0), shows the selector its own favourites alone. The
        backbone then learns these and little else, and on rows masked at random the favourites are the *easy* ones.
        """
        if not self.exploration:
            return scores
        uniform = torch.rand(scores.shape, device=scores.device, generator=generator)
        # Keep clear of 0 and 1, whose logarithms are infinite.
        gumbel = -(-uniform.clamp(1e-7, 1 - 1e-7).log()).log()
        return scores + self.exploration * gumbel

    def loss(self, scores: Tensor, recovery: Tensor, valid: Tensor) -> Tensor:
        """Mean squared error over labelled rows; 0 where there are none."""
        targets, labelled = extremes(recovery, valid)
        error = (scores.sigmoid() - targets) ** 2 * labelled
        return error.sum() / labelled.sum().clamp(min=1)
