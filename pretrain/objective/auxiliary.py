"""Auxiliary targets, added to the recovery of masked fields."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from symbolic.masking.corruption import Corrupted
from symbolic.relations import RELATIONS, relation_ids
from symbolic.tokens.vocabulary import BAR, DRUM_PITCH, FIELDS, PAD, PITCH, RESERVED

_CLASSES = 12


class AuxiliaryHead(nn.Module, ABC):
    """Predict one more target from the hidden states of corrupted tokens."""

    name: ClassVar[str]

    @abstractmethod
    def loss(self, hidden: Tensor, tokens: Tensor, attention_mask: Tensor, corrupted: Corrupted) -> Tensor:
        """Return the scalar loss.

        Args:
            hidden: (B, L, D) states of the corrupted tokens.
            tokens: (B, L, 8) int64 clean ids.
            attention_mask: (B, L) bool.
            corrupted: What the backbone read.
        """

    def flush(self) -> dict[str, float]:
        """Return further measures since the last call; most heads have none."""
        return {}


class ChangedFields(AuxiliaryHead):
    """Detect replaced fields (ELECTRA, arXiv 2003.10555; M2BERT, ISMIR 2025).

    Args:
        dim: Width of the hidden states.
        sizes: Not used: every field has two answers.
    """

    name = "changed"

    def __init__(self, dim: int, sizes: Sequence[int]) -> None:
        super().__init__()
        self.output = nn.Linear(dim, len(FIELDS))

    def loss(self, hidden: Tensor, tokens: Tensor, attention_mask: Tensor, corrupted: Corrupted) -> Tensor:
        """Return the binary cross-entropy over all cells, padding excluded."""
        loss = F.binary_cross_entropy_with_logits(
            self.output(hidden), corrupted.changed.float(), reduction="none"
        )
        mean: Tensor = (loss.mean(-1) * attention_mask).sum() / attention_mask.sum().clamp(min=1)
        return mean


class BarChroma(AuxiliaryHead):
    """Predict the pitch classes of each bar from the mean state of its tokens (after M2BERT, ISMIR 2025).

    Args:
        dim: Width of the hidden states.
        sizes: Number of ids of each field.
    """

    name = "chroma"

    def __init__(self, dim: int, sizes: Sequence[int]) -> None:
        super().__init__()
        self.bars = sizes[BAR] - RESERVED
        self.output = nn.Linear(dim, _CLASSES)

    def loss(self, hidden: Tensor, tokens: Tensor, attention_mask: Tensor, corrupted: Corrupted) -> Tensor:
        """Return the cross-entropy to the pitch-class distribution of each bar that has pitched notes."""
        batch = len(attention_mask)
        bar = (tokens[..., BAR] - RESERVED).clamp(min=0)
        pitch = tokens[..., PITCH] - RESERVED
        pitched = attention_mask & (pitch >= 0) & (pitch < DRUM_PITCH)
        cell = bar * _CLASSES + pitch.clamp(min=0) % _CLASSES
        chroma = hidden.new_zeros(batch, self.bars * _CLASSES, dtype=torch.float)
        chroma = chroma.scatter_add(1, cell, pitched.float()).view(batch, self.bars, _CLASSES)
        notes = chroma.sum(-1)
        count = hidden.new_zeros(batch, self.bars).scatter_add(1, bar, attention_mask.type_as(hidden))
        index = bar[..., None].expand(-1, -1, hidden.shape[-1])
        pooled = hidden.new_zeros(batch, self.bars, hidden.shape[-1])
        pooled = (
            pooled.scatter_add(1, index, hidden * attention_mask[..., None]) / count.clamp(min=1)[..., None]
        )
        log = self.output(pooled).float().log_softmax(-1)
        loss = -(chroma / notes.clamp(min=1)[..., None] * log).sum(-1)
        mean: Tensor = (loss * (notes > 0)).sum() / (notes > 0).sum().clamp(min=1)
        return mean


class RelationShares(AuxiliaryHead):
    """Predict how often each value of each relation occurs in a window, from the mean and the deviation of its states.

    Args:
        dim: Width of the hidden states.
        sizes: Not used.
    """

    name = "shares"

    def __init__(self, dim: int, sizes: Sequence[int]) -> None:
        super().__init__()
        self.sizes = [one.size for one in RELATIONS.values()]
        self.output = nn.Linear(2 * dim, sum(self.sizes))

    def loss(self, hidden: Tensor, tokens: Tensor, attention_mask: Tensor, corrupted: Corrupted) -> Tensor:
        """Return the Kullback-Leibler divergence from the true shares, mean of windows and relations."""
        weights = (attention_mask / attention_mask.sum(-1, keepdim=True).clamp(min=1))[..., None]
        mean = (weights * hidden).sum(1)
        deviation = ((weights * (hidden - mean[:, None]).square()).sum(1) + 1e-6).sqrt()
        predicted = self.output(torch.cat([mean, deviation], dim=-1)).float().split(self.sizes, dim=-1)
        clean = tokens.masked_fill(~attention_mask[..., None], PAD)
        losses = []
        for ids, scores in zip(relation_ids(clean).unbind(-1), predicted, strict=True):
            count = torch.zeros_like(scores).scatter_add(1, ids, (ids > 0).to(scores.dtype))
            share = count / count.sum(-1, keepdim=True).clamp(min=1)
            losses.append(F.kl_div(scores.log_softmax(-1), share, reduction="batchmean"))
        return torch.stack(losses).mean()


AUXILIARIES: dict[str, type[AuxiliaryHead]] = {
    head.name: head for head in (ChangedFields, BarChroma, RelationShares)
}
