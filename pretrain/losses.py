"""Recovery losses of masked rows, field by field."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from symbolic.vocabulary import FIELDS, RESERVED


class Recovery(NamedTuple):
    """How well masked rows were recovered.

    Attributes:
        loss: (..., 8) cross-entropy in nats; 0 where a field has nothing to recover.
        correct: (..., 8) bool.
        counted: (..., 8) bool, false where the target is a reserved id (a hidden field).
    """

    loss: Tensor
    correct: Tensor
    counted: Tensor


def recover(logits: Sequence[Tensor], targets: Tensor) -> Recovery:
    """Compare predictions with the clean rows.

    Args:
        logits: One (..., size) tensor for each field.
        targets: (..., 8) int64 clean ids.
    """
    losses, correct = [], []
    for field, scores in enumerate(logits):
        target = targets[..., field]
        losses.append(F.cross_entropy(scores.flatten(0, -2).float(), target.flatten(), reduction="none"))
        correct.append(scores.argmax(-1) == target)
    counted = targets >= RESERVED
    loss = torch.stack(losses, -1).view(targets.shape)
    return Recovery(loss * counted, torch.stack(correct, -1) & counted, counted)


class FieldWeights(nn.Module):
    """Weights of the fields: the inverse of their last accuracy, with mean 1 (arXiv 2407.08306).

    Args:
        momentum: Of the running accuracy; one batch alone is noisy.
        floor: Accuracies below this weigh no more, so that a field that cannot be learnt does not take over.
    """

    accuracy: Tensor

    def __init__(self, momentum: float = 0.98, floor: float = 0.1) -> None:
        super().__init__()
        self.momentum, self.floor = momentum, floor
        self.register_buffer("accuracy", torch.full((len(FIELDS),), 0.5))

    def forward(self) -> Tensor:
        """(8,) weights."""
        inverse = 1.0 / self.accuracy.clamp(min=self.floor)
        return inverse / inverse.mean()

    @torch.no_grad()
    def update(self, recovery: Recovery, valid: Tensor) -> None:
        """Take in a batch.

        Args:
            recovery: Of (B, K) rows.
            valid: (B, K) bool, rows that were really masked.
        """
        counted = recovery.counted & valid[..., None]
        total = counted.sum((0, 1))
        now = (recovery.correct & counted).sum((0, 1)) / total.clamp(min=1)
        now = torch.where(total > 0, now, self.accuracy)
        self.accuracy.lerp_(now, 1 - self.momentum)
