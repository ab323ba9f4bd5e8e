"""Choose which hidden cells are learnt from: all, or those with the highest excess loss (Rho-1, arXiv 2404.07965)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from symbolic.backbone import Backbone
from symbolic.heads import FieldHeads
from symbolic.masking.corruption import Corrupted
from symbolic.masking.losses import Recovery, recover
from symbolic.masking.units import Choice


class Reference(nn.Module):
    """Predict hidden cells with a model that is not trained.

    A cell that the reference predicts and the model in training does not can still be learnt. One that both fail on
    is noise or beyond reach. So the reference should know other music (RHO-LOSS, arXiv 2206.07137).

    Args:
        backbone: Its backbone, with the tokenizer of the run.
        heads: Its classifiers of fields.
    """

    def __init__(self, backbone: Backbone, heads: FieldHeads) -> None:
        super().__init__()
        self.backbone, self.heads = backbone, heads
        self.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> Reference:
        """Stay in evaluation mode."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, corrupted: Tensor, attend: Tensor | None, choice: Choice, targets: Tensor) -> Tensor:
        """Return (B, K, 8) losses of `targets`, the clean ids at the chosen places of (B, L, 8) corrupted ones."""
        return recover(self.heads(choice.at(self.backbone(corrupted, attend))), targets).loss


class Targets(nn.Module):
    """Choose the hidden cells that are learnt from.

    Args:
        by: "excess" takes those where the loss exceeds that of the reference the most, "loss" those with the highest
            loss, "random" as many at random, "all" each.
        share: Share of the hidden cells that is kept.
        whole_tokens: Keep all hidden fields of a token or none, by the mean over its fields. Otherwise every field
            keeps its own share.
        ramp: Part of the run in which the share falls from 1 to `share`.
        reference: For "excess".
    """

    def __init__(
        self,
        by: str = "all",
        share: float = 1.0,
        whole_tokens: bool = False,
        ramp: float = 0.0,
        reference: Reference | None = None,
    ) -> None:
        super().__init__()
        if (by == "excess") != (reference is not None):
            raise ValueError("only 'excess' needs a reference")
        self.by, self.share, self.whole_tokens, self.ramp = by, share, whole_tokens, ramp
        self.reference = reference

    def forward(
        self,
        recovery: Recovery,
        choice: Choice,
        corrupted: Corrupted,
        attend: Tensor | None,
        targets: Tensor,
        generator: torch.Generator,
        progress: float = 1.0,
    ) -> Tensor:
        """Return (B, K, 8) bool, the cells to learn from.

        Args:
            recovery: Recovery of the (B, K) tokens by the model in training.
            choice: The hidden cells.
            corrupted: The corrupted tokens.
            attend: Attention mask (B, L), or None if no token is padded.
            targets: (B, K, 8) clean ids.
            generator: Source of randomness, on the device of the batch.
            progress: Completed part of the run, 0 to 1.
        """
        cells = choice.cells & recovery.counted
        if self.by == "all":
            return cells
        worth = recovery.loss.detach()
        if self.by == "random":
            worth = torch.rand(worth.shape, device=worth.device, generator=generator)
        elif self.reference is not None:
            worth = worth - self.reference(corrupted.tokens, attend, choice, targets)
        begun = min(1.0, progress / self.ramp) if self.ramp else 1.0
        return best_cells(worth, cells, 1 - begun * (1 - self.share), self.whole_tokens)


def best_cells(worth: Tensor, cells: Tensor, share: float, whole_tokens: bool = False) -> Tensor:
    """Return (B, K, 8) bool, the given share of the cells with the highest worth.

    Args:
        worth: (B, K, 8) float.
        cells: (B, K, 8) bool, the cells to choose among.
        share: Share of each field's cells in the batch, or of the tokens. Rounded up.
        whole_tokens: Choose tokens by the mean over their cells.
    """
    rankable = cells
    if whole_tokens:
        worth = ((worth * cells).sum(-1) / cells.sum(-1).clamp(min=1))[..., None]
        rankable = cells.any(-1, keepdim=True)
    ranked = worth.masked_fill(~rankable, -torch.inf).flatten(0, 1).sort(dim=0, descending=True).values
    kept = (rankable.sum((0, 1)) * share).ceil().long().clamp(min=1)
    return cells & (worth >= ranked.gather(0, kept[None] - 1))
