"""Recovery losses of masked tokens, field by field."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, distributed, nn
from torch.nn import functional as F

from symbolic.tokens.vocabulary import FIELDS, RESERVED


class Recovery(NamedTuple):
    """How well masked tokens were recovered.

    Attributes:
        loss: (..., 8) cross-entropy in nats; 0 where a field has nothing to recover.
        correct: (..., 8) bool.
        counted: (..., 8) bool, false where the target is a reserved id (a hidden field).
    """

    loss: Tensor
    correct: Tensor
    counted: Tensor


def recover(logits: Sequence[Tensor], targets: Tensor) -> Recovery:
    """Compare predictions with the clean tokens.

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
    """Running accuracy and loss of the fields, and the weights that follow from them.

    A field weighs the inverse of its last accuracy, with mean 1 (arXiv 2407.08306). Batches are gathered on the device
    and taken in once an optimiser step, so that a step over several batches or processes counts as one.

    Args:
        momentum: Of the running means; one batch alone is noisy.
        baseline: Accuracies below this weigh no more, so that a field that cannot be learnt does not take over.
    """

    accuracy: Tensor
    typical: Tensor
    gathered: Tensor

    def __init__(self, momentum: float = 0.98, baseline: float = 0.1) -> None:
        super().__init__()
        self.momentum, self.baseline = momentum, baseline
        self.register_buffer("accuracy", torch.full((len(FIELDS),), 0.5))
        self.register_buffer("typical", torch.ones(len(FIELDS)))
        self.register_buffer("gathered", torch.zeros(3, len(FIELDS)), persistent=False)

    def forward(self) -> Tensor:
        """(8,) weights."""
        inverse = 1.0 / self.accuracy.clamp(min=self.baseline)
        return inverse / inverse.mean()

    @torch.no_grad()
    def gather(self, recovery: Recovery, cells: Tensor) -> None:
        """Count a batch.

        Args:
            recovery: Of (B, K) tokens.
            cells: (B, K, 8) bool, fields that were to be recovered.
        """
        counted = recovery.counted & cells
        values = (counted, recovery.correct & counted, recovery.loss * counted)
        self.gathered += torch.stack([value.sum((0, 1)).float() for value in values])

    @torch.no_grad()
    def update(self) -> None:
        """Take in what was gathered, of all processes, and begin anew."""
        all_reduce(self.gathered)
        count, correct, loss = self.gathered
        for running, total in ((self.accuracy, correct), (self.typical, loss)):
            running.copy_(
                torch.where(count > 0, running.lerp(total / count.clamp(min=1), 1 - self.momentum), running)
            )
        self.gathered.zero_()


def all_reduce(values: Tensor) -> None:
    """Sum over the processes of a run, in place; of one process, nothing."""
    if distributed.is_available() and distributed.is_initialized():
        distributed.all_reduce(values)
