"""The objective of a pretraining step: choose, corrupt, recover, and teach the selector what was hard.

Everything stays on the device: no loop over windows, tokens or notes, and nothing in a step that waits for a number.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from data.batches import Batch
from pretrain.objective.auxiliary import AuxiliaryHead
from pretrain.selectors import Selector, SelectorInput
from symbolic.backbone import Backbone
from symbolic.heads import FieldHeads
from symbolic.masking.corruption import Corruption, MaskCorruption
from symbolic.masking.losses import FieldWeights, Recovery, recover
from symbolic.masking.units import Choice
from symbolic.tokens.vocabulary import MASK

TRAINING, EVALUATION, FREEZING, PROGRESS = range(4)
"""Purposes of randomness, the last part of the key of `generator_of`."""


class Step(NamedTuple):
    """What came of a step.

    Attributes:
        loss: Scalar, of backbone, heads and auxiliary heads.
        selector_loss: Scalar; 0 where the selector learns nothing.
        auxiliary: Scalar for each auxiliary head, part of `loss`.
        recovery: Of (B, K) tokens.
        choice: What was to be recovered.
        chosen: (B, L, 8) bool, the same cells in the window.
    """

    loss: Tensor
    selector_loss: Tensor
    auxiliary: dict[str, Tensor]
    recovery: Recovery
    choice: Choice
    chosen: Tensor


class Objective(nn.Module):
    """Adversarial masked-language modelling (arXiv 2407.08306, without the faults of its release), and its kin.

    Backbone and selector have losses of their own: the recovery loss never reaches the selector, nor its loss the
    backbone, unless the selector's network is one that shares the backbone's layers.

    Args:
        backbone: To be trained.
        heads: One classifier a field.
        selector: Chooses what is hidden.
        corruption: Hides it.
        auxiliary: Further targets, each added to the loss with a weight of its own.
        auxiliary_weight: Weight of each.
        identity_weight: Weight of the loss over all tokens that are not padding (in the released code, padding included), 0 for none.
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
    ) -> None:
        super().__init__()
        self.backbone, self.heads, self.selector = backbone, heads, selector
        self.corruption = corruption or MaskCorruption(heads.sizes)
        self.auxiliary = nn.ModuleDict({head.name: head for head in auxiliary})
        self.auxiliary_weight, self.identity_weight = auxiliary_weight, identity_weight
        self.field_weights = FieldWeights()

    def forward(
        self, windows: Batch, frozen: Tensor, generator: torch.Generator, progress: float = 1.0
    ) -> Step:
        """Play one step.

        Args:
            windows: A batch.
            frozen: (B, L) bool, their freeze state.
            generator: For chance, on the device of the batch.
            progress: How much of the run is over, 0 to 1.
        """
        tokens, attention_mask = windows.tokens, windows.attention_mask
        inputs = self.selector_input(windows, frozen, generator, progress)
        scores = self.selector.scores(inputs)
        choice = self.selector.choose(scores.detach(), inputs)
        chosen = choice.spread(tokens.shape[1])
        fate = self.selector.unit.cells_of(inputs.noise(*scores.shape), tokens)
        corrupted = self.corruption(tokens, chosen, fate, generator)

        hidden = self.backbone(corrupted.tokens, windows.attend)
        recovery = recover(self.heads(at(hidden, choice.places)), at(tokens, choice.places))
        loss = _mean(recovery.loss * self.field_weights(), choice.cells & recovery.counted)
        auxiliary = {}
        for name, head in self.auxiliary.items():
            assert isinstance(head, AuxiliaryHead)  # nn.ModuleDict has forgotten
            auxiliary[name] = head.loss(hidden, tokens, attention_mask, corrupted.changed)
            loss = loss + self.auxiliary_weight * auxiliary[name]
        if self.identity_weight:
            everything = recover(self.heads(hidden), tokens).loss
            loss = loss + self.identity_weight * _mean(
                everything, attention_mask[..., None].expand_as(everything)
            )

        selector_loss = torch.zeros((), device=tokens.device)
        if self.selector.learns:
            evidence = at(corrupted.withheld, choice.places) & choice.cells
            selector_loss = self._teach(scores, recovery, evidence, choice, tokens)
        self.field_weights.gather(recovery, choice.cells)
        return Step(loss, selector_loss, auxiliary, recovery, choice, chosen)

    def _teach(
        self, scores: Tensor, recovery: Recovery, evidence: Tensor, choice: Choice, tokens: Tensor
    ) -> Tensor:
        """The selector's loss. Cells that stayed visible are no evidence of anything: their loss is low."""
        unit, loss = self.selector.unit, recovery.loss.detach()
        if unit.outputs > 1:
            # Single fields compete with one another, so each is compared with what is usual for it.
            loss = loss / self.field_weights.typical
        hardness, valid = unit.hardness(loss, evidence, choice, tokens)
        return self.selector.loss(scores.gather(1, choice.units), hardness, valid)

    def selector_input(
        self, windows: Batch, frozen: Tensor, generator: torch.Generator, progress: float = 1.0
    ) -> SelectorInput:
        """What the selector may look at."""

        @torch.no_grad()
        def recovery(cells: Tensor) -> Tensor:
            hidden = self.backbone(windows.tokens.masked_fill(cells, MASK), windows.attend)
            return recover(self.heads(hidden), windows.tokens).loss * cells

        tokens, attention_mask, attend = windows.tokens, windows.attention_mask, windows.attend
        return SelectorInput(
            tokens, attention_mask, attend, frozen, generator, self.backbone, recovery, progress
        )


def generator_of(device: torch.device, *key: int) -> torch.Generator:
    """Randomness that is a function of its key: the same whether a run was interrupted or not."""
    state = np.random.SeedSequence(key).generate_state(1, np.uint64)[0]
    return torch.Generator(device).manual_seed(int(state >> np.uint64(1)))


def at(values: Tensor, places: Tensor) -> Tensor:
    """(B, L, C) at (B, K) -> (B, K, C)."""
    return values.gather(1, places[..., None].expand(-1, -1, values.shape[-1]))


def _mean(values: Tensor, counted: Tensor) -> Tensor:
    return (values * counted).sum() / counted.sum().clamp(min=1)
