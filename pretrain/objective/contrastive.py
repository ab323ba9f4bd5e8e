"""Tell windows of one piece from those of others: a target for what a piece is as a whole."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pretrain.objective.auxiliary import AuxiliaryHead
from symbolic.errors import ConfigError
from symbolic.masking.corruption import Corrupted
from symbolic.masking.losses import all_reduce
from symbolic.tokens.vocabulary import MASK, PITCH

TEMPERATURE = 0.1
"""Temperature at the start; it is learnt."""
_SHARPEST = math.log(100.0)
"""Largest logarithm of the inverse temperature."""
_COLLAPSED = -0.05
"""Uniformity above this means that all windows have nearly one vector."""
SETTLED = 300
"""Batches after which that is an error; random weights begin so."""


class Contrastive(AuxiliaryHead):
    """Find the other window of a pair among all windows of the batch (InfoNCE, van den Oord et al., arXiv 1807.03748).

    A window is the mean and the deviation over its visible notes of the last layer, through a projection of two layers.
    Windows 2i and 2i + 1 are a pair (`PairBatches`).

    Args:
        dim: Width of the hidden states.
        sizes: Not used.
    """

    name = "contrastive"
    sums: Tensor
    batches: Tensor

    def __init__(self, dim: int, sizes: Sequence[int]) -> None:
        super().__init__()
        self.projection = nn.Sequential(nn.Linear(2 * dim, dim), nn.GELU(), nn.Linear(dim, dim))
        self.sharpness = nn.Parameter(torch.tensor(-math.log(TEMPERATURE)))
        self.register_buffer("sums", torch.zeros(5), persistent=False)
        self.register_buffer("batches", torch.tensor(0))

    def loss(self, hidden: Tensor, tokens: Tensor, attention_mask: Tensor, corrupted: Corrupted) -> Tensor:
        """Return the cross-entropy of finding each window's partner."""
        visible = attention_mask & (corrupted.tokens[..., PITCH] != MASK)
        vectors = self.vectors(hidden, visible)
        similar = vectors @ vectors.T
        itself = torch.eye(len(vectors), dtype=torch.bool, device=vectors.device)
        partner = torch.arange(len(vectors), device=vectors.device) ^ 1
        scores = (similar * self.sharpness.clamp(max=_SHARPEST).exp()).masked_fill(itself, -torch.inf)
        self._measure(similar.detach(), scores.detach(), partner, itself)
        return F.cross_entropy(scores, partner)

    def vectors(self, hidden: Tensor, visible: Tensor) -> Tensor:
        """Turn states (B, L, D) and (B, L) bool of visible notes into (B, D) vectors of length 1."""
        hidden = hidden.float()
        weights = (visible / visible.sum(-1, keepdim=True).clamp(min=1))[..., None]
        mean = (weights * hidden).sum(1)
        variance = (weights * (hidden - mean[:, None]).square()).sum(1)
        # The root of 0 has no gradient.
        pooled = torch.cat([mean, (variance + 1e-6).sqrt()], dim=-1)
        return F.normalize(self.projection(pooled).float(), dim=-1)

    @torch.no_grad()
    def _measure(self, similar: Tensor, scores: Tensor, partner: Tensor, itself: Tensor) -> None:
        """Add a batch to the sums of top-1, chance, alignment and uniformity (Wang & Isola, arXiv 2005.10242)."""
        apart = 2 - 2 * similar  # squared distances
        count = torch.ones_like(apart[0, 0])
        found = (
            (scores.argmax(-1) == partner).float().mean(),
            count / (len(similar) - 1),
            apart.gather(1, partner[:, None]).mean(),
            (-2 * apart)[~itself].exp().mean().log(),
            count,
        )
        self.sums += torch.stack(found)
        self.batches += 1

    def flush(self) -> dict[str, float]:
        """Return means since the last call: top-1 and its chance, alignment, uniformity, and the temperature.

        Raises:
            ConfigError: If all windows have nearly one vector, and partners are not found.
        """
        all_reduce(self.sums)
        *sums, count = self.sums.tolist()
        self.sums.zero_()
        top_1, chance, alignment, uniformity = (value / max(count, 1) for value in sums)
        alike = uniformity > _COLLAPSED and top_1 < 2 * chance
        if count and alike and self.batches >= SETTLED:
            raise ConfigError(
                f"--contrastive collapsed: all windows have nearly one vector (uniformity {uniformity:.3f}), and "
                f"{top_1:.1%} of partners are found. Use larger batches (--tokens_per_batch), or a lower --lr."
            )
        temperature = math.exp(-min(self.sharpness.item(), _SHARPEST))
        named = {"top_1": top_1, "chance": chance, "alignment": alignment, "uniformity": uniformity}
        return {**named, "temperature": temperature}
