"""Losses of masked tokens for each field."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, distributed, nn
from torch.nn import functional as F

from symbolic.tokens.vocabulary import FIELDS, RESERVED


class Recovery(NamedTuple):
    """Losses and hits of predictions for masked tokens.

    Attributes:
        loss: (..., 8) float, cross-entropy in nats. It is 0 where a field has nothing to recover.
        correct: (..., 8) bool.
        counted: (..., 8) bool. False where the target is a reserved id such as a hidden field.
    """

    loss: Tensor
    correct: Tensor
    counted: Tensor


def recover(logits: Sequence[Tensor], targets: Tensor) -> Recovery:
    """Compare predictions with the clean tokens.

    Args:
        logits: Eight tensors (..., size of the field).
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
    """Running accuracy and loss of each field and the weights of fields that follow from them.

    The weight of a field is the inverse of its running accuracy, scaled to mean 1 (arXiv 2407.08306). Batches are
    summed on the device and counted once per optimiser step. So a step over several batches or processes counts
    once.

    Args:
        momentum: Momentum of the running means. A single batch is noisy.
        baseline: Accuracies below this do not raise the weight, so that a field that cannot be learnt does not
            dominate.
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
        """Return the (8,) weights."""
        inverse = 1.0 / self.accuracy.clamp(min=self.baseline)
        return inverse / inverse.mean()

    @torch.no_grad()
    def gather(self, recovery: Recovery, cells: Tensor) -> None:
        """Add a batch to the sums of this step.

        Args:
            recovery: Recovery of (B, K) tokens.
            cells: (B, K, 8) bool, the fields that were to be recovered.
        """
        counted = recovery.counted & cells
        values = (counted, recovery.correct & counted, recovery.loss * counted)
        self.gathered += torch.stack([value.sum((0, 1)).float() for value in values])

    @torch.no_grad()
    def update(self) -> None:
        """Update the running means from the sums of all processes and reset the sums."""
        all_reduce(self.gathered)
        count, correct, loss = self.gathered
        for running, total in ((self.accuracy, correct), (self.typical, loss)):
            running.copy_(
                torch.where(count > 0, running.lerp(total / count.clamp(min=1), 1 - self.momentum), running)
            )
        self.gathered.zero_()


def all_reduce(values: Tensor) -> None:
    """Sum values over the processes of a run in place. With one process, do nothing."""
    if distributed.is_available() and distributed.is_initialized():
        distributed.all_reduce(values)
