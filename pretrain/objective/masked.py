"""The objective of a pretraining step: choose, corrupt, recover and train the selector on what was hard.

Everything stays on the device. There is no loop over windows or tokens, and nothing in a step waits for a number.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from data.batches import Batch
from pretrain.objective.auxiliary import AuxiliaryHead
from pretrain.objective.targets import Targets
from pretrain.selectors import Selector, SelectorInput
from symbolic.backbone import Backbone
from symbolic.heads import FieldHeads
from symbolic.masking.corruption import Corruption, MaskCorruption
from symbolic.masking.losses import FieldWeights, Recovery, recover
from symbolic.masking.units import Choice

TRAINING, EVALUATION, FREEZING, PROGRESS = range(4)
"""Purposes of randomness, the last part of the key of `generator_of`."""


class Step(NamedTuple):
    """Result of a step.

    Attributes:
        loss: Scalar loss of backbone, heads and auxiliary heads.
        selector_loss: Scalar. 0 if the selector has no network.
        auxiliary: Scalar loss of each auxiliary head, part of `loss`.
        recovery: Recovery of (B, K) tokens.
        choice: The cells that were to be recovered.
        chosen: (B, L, 8) bool, the same cells in their windows.
    """

    loss: Tensor
    selector_loss: Tensor
    auxiliary: dict[str, Tensor]
    recovery: Recovery
    choice: Choice
    chosen: Tensor


class Objective(nn.Module):
    """Compute the losses of masked-language modelling with a selector (arXiv 2407.08306).

    Backbone and selector have separate losses. The recovery loss never reaches the selector. The selector's loss
    reaches the backbone only if the selector's network shares its layers.

    Args:
        backbone: The backbone to train.
        heads: One classifier for each field.
        selector: Chooses the cells to recover.
        corruption: Hides the chosen cells. By default a mask.
        auxiliary: Further targets, added to the loss.
        auxiliary_weight: Weight of each of them.
        identity_weight: Weight of the loss over all tokens, masked or not, without padding. 0 for none.
        targets: Chooses the hidden cells that the backbone learns from. By default all.
    """

    def __init__(
        self,
        backbone: Backbone,
        heads: FieldHeads,
        selector: Selector,
        corruption: Corruption | None = None,
        auxiliary: Iterable[AuxiliaryHead] = (),
        auxiliary_weight: float = 1.0,
        identity_weight: float = 0.0,
        targets: Targets | None = None,
    ) -> None:
        super().__init__()
        self.backbone, self.heads, self.selector = backbone, heads, selector
        self.corruption = corruption or MaskCorruption(heads.sizes)
        self.auxiliary = nn.ModuleDict({head.name: head for head in auxiliary})
        self.auxiliary_weight, self.identity_weight = auxiliary_weight, identity_weight
        self.targets = targets or Targets()
        self.field_weights = FieldWeights()

    def forward(
        self, windows: Batch, frozen: Tensor, generator: torch.Generator, progress: float = 1.0
    ) -> Step:
        """Compute one step.

        Args:
            windows: A batch.
            frozen: (B, L) bool, their freeze state.
            generator: Source of randomness, on the device of the batch.
            progress: Completed part of the run, 0 to 1.
        """
        tokens, attention_mask = windows.tokens, windows.attention_mask
        inputs = self.selector_input(windows, frozen, generator, progress)
        scores = self.selector.scores(inputs)
        choice = self.selector.choose(scores.detach(), inputs)
        chosen = choice.spread(tokens.shape[1])
        fate = self.selector.unit.cells_of(inputs.noise(*scores.shape), tokens)
        corrupted = self.corruption(tokens, chosen, fate, generator)

        hidden = self.backbone(corrupted.tokens, windows.attend)
        clean = choice.at(tokens)
        recovery = recover(self.heads(choice.at(hidden)), clean)
        learnt = self.targets(recovery, choice, corrupted, windows.attend, clean, generator, progress)
        loss = _mean(recovery.loss * self.field_weights(), self._weighted(learnt, attention_mask))
        auxiliary = {}
        for name, head in self.auxiliary.items():
            assert isinstance(head, AuxiliaryHead)  # nn.ModuleDict does not know
            auxiliary[name] = head.loss(hidden, tokens, attention_mask, corrupted)
            loss = loss + self.auxiliary_weight * auxiliary[name]
        if self.identity_weight:
            everything = recover(self.heads(hidden), tokens).loss
            loss = loss + self.identity_weight * _mean(
                everything, attention_mask[..., None].expand_as(everything)
            )

        selector_loss = torch.zeros((), device=tokens.device)
        if self.selector.learns:
            evidence = choice.at(corrupted.withheld) & choice.cells
            selector_loss = self._selector_loss(scores, recovery, evidence, choice, tokens)
        self.field_weights.gather(recovery, choice.cells)
        return Step(loss, selector_loss, auxiliary, recovery, choice, chosen)

    def _weighted(self, learnt: Tensor, attention_mask: Tensor) -> Tensor:
        """Return (B, K, 8) the weights of the cells that are learnt from; 0 for others."""
        if not self.selector.absorbing:
            return learnt
        hidden = learnt.sum((1, 2), keepdim=True).clamp(min=1)
        return learnt * (attention_mask.sum(1)[:, None, None] / hidden)

    def _selector_loss(
        self, scores: Tensor, recovery: Recovery, evidence: Tensor, choice: Choice, tokens: Tensor
    ) -> Tensor:
        """Return the loss of the selector. Cells that stayed visible do not count because their loss is low anyway."""
        unit, loss = self.selector.unit, recovery.loss.detach()
        if unit.outputs > 1:
            # Single fields compete with one another, so each loss is divided by the typical one of its field.
            loss = loss / self.field_weights.typical
        hardness, valid = unit.hardness(loss, evidence, choice, tokens)
        return self.selector.loss(scores.gather(1, choice.units), hardness, valid)

    def selector_input(
        self, windows: Batch, frozen: Tensor, generator: torch.Generator, progress: float = 1.0
    ) -> SelectorInput:
        """Return the input of the selector."""
        tokens, attention_mask, attend = windows.tokens, windows.attention_mask, windows.attend
        return SelectorInput(tokens, attention_mask, attend, frozen, generator, self.backbone, progress)


def _mean(values: Tensor, counted: Tensor) -> Tensor:
    return (values * counted).sum() / counted.sum().clamp(min=1)
