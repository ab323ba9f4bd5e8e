"""Learn the predictions of a model that knows other music: what its knowledge is worth without a choice of targets."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from pretrain.objective.auxiliary import AuxiliaryHead
from pretrain.objective.targets import Reference
from symbolic.heads import FieldHeads
from symbolic.masking.corruption import Corrupted


class Taught(AuxiliaryHead):
    """Predict the distributions that a teacher gives to hidden fields (Hinton et al., 2015, arXiv 1503.02531).

    Args:
        teacher: The model that knows other music.
        heads: Those of the model in training.
    """

    name = "taught"

    def __init__(self, teacher: Reference, heads: FieldHeads) -> None:
        super().__init__()
        self.teacher, self.heads = teacher, heads

    def loss(self, hidden: Tensor, tokens: Tensor, attention_mask: Tensor, corrupted: Corrupted) -> Tensor:
        """Return the cross-entropy to the teacher's distributions in nats, mean of the fields of hidden tokens."""
        masked = corrupted.withheld.any(-1)
        with torch.no_grad():
            read = self.teacher.backbone(corrupted.tokens, None if attention_mask.all() else attention_mask)
            wanted = self.teacher.heads(read[masked])
        losses = [
            F.cross_entropy(scores, soft.softmax(-1))
            for scores, soft in zip(self.heads(hidden[masked]), wanted, strict=True)
        ]
        return torch.stack(losses).mean()
