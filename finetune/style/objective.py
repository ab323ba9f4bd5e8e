"""The loss of a style: what is hidden in windows, and how well it is recovered, piece by piece."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from symbolic.backbone import Backbone
from symbolic.dataset import MusicBatch
from symbolic.heads import FieldHeads
from symbolic.masking.losses import recover
from symbolic.masking.passages import passage_ranking
from symbolic.masking.randomness import generator_of
from symbolic.masking.units import FieldUnit
from symbolic.tokens.vocabulary import BAR, FIELDS, MASK, RESERVED

Floats = NDArray[np.float64]
_MEASURED = 7919
"""Part of the key of the cells that are hidden in a measurement: no training step hides the same."""
_RESAMPLES = 4000


def hidden_cells(
    batch: MusicBatch, sizes: Sequence[int], generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Choose a share u ~ U(0, 1) of the cells of each window, as when a passage is written.

    Args:
        batch: B windows of L tokens.
        sizes: Sizes of the fields.
        generator: Source of randomness, on the device of the tokens.

    Returns:
        (B, L, 8) bool, the hidden cells, and their weights 1 / u, 0 elsewhere.
    """
    tokens, there = batch.tokens, batch.attention_mask
    ranking = passage_ranking(tokens, sizes[BAR] - RESERVED, generator).flatten(1)
    share = torch.rand(len(tokens), device=tokens.device, generator=generator)
    counts = (share * there.sum(1)).ceil().long().clamp(min=1)
    hidden = FieldUnit(sizes).choose(ranking, tokens, there, counts, tokens.shape[1]).cells
    return hidden, hidden * (there.sum(1) / hidden.sum((1, 2)).clamp(min=1))[:, None, None]


def model_losses(backbone: Backbone, heads: FieldHeads, batch: MusicBatch, hidden: Tensor) -> Tensor:
    """Return (B, L, 8) losses in nats of recovering hidden cells. 0 where nothing is hidden."""
    return field_losses(heads, states_of(backbone, batch, hidden), batch, hidden)


def states_of(
    backbone: Backbone, batch: MusicBatch, hidden: Tensor, extra_embedding: Tensor | None = None
) -> Tensor:
    """Return (B, L, dim) states of windows with (B, L, 8) hidden cells, and (B, L, dim) to add to their embedding."""
    there = batch.attention_mask
    states: Tensor = backbone(
        batch.tokens.masked_fill(hidden, MASK), None if there.all() else there, extra_embedding
    )
    return states


def field_losses(heads: FieldHeads, states: Tensor, batch: MusicBatch, hidden: Tensor) -> Tensor:
    """Return (B, L, 8) losses in nats of hidden cells from states (B, L, dim). 0 where nothing is hidden."""
    return recover(heads(states), batch.tokens).loss * hidden


@dataclass(frozen=True, eq=False)
class PieceLosses:
    """Losses of hidden cells of pieces.

    Attributes:
        total: (P, 8) weighted sums in nats.
        weight: (P, 8) sums of the weights.
    """

    total: Floats
    weight: Floats

    @property
    def pieces(self) -> Floats:
        """(P,) mean loss of each piece in nats a hidden field."""
        return np.asarray(self.total.sum(1) / np.maximum(self.weight.sum(1), 1e-9))

    def by_field(self) -> dict[str, float]:
        """Return the mean over pieces of the loss of each field, and of "all", in nats a hidden field.

        Each piece counts alike. A field that was hidden in no piece has none.
        """
        found = {"all": float(self.pieces.mean())}
        for field, name in enumerate(FIELDS):
            known = self.weight[:, field] > 0
            if known.any():
                found[name] = float((self.total[known, field] / self.weight[known, field]).mean())
        return found


@torch.inference_mode()
def piece_losses(
    losses_of: Callable[[MusicBatch, Tensor], Tensor],
    sizes: Sequence[int],
    batches: Iterable[MusicBatch],
    pieces: int,
    seed: int,
    repeats: int = 4,
) -> PieceLosses:
    """Measure the losses of pieces on the CPU. For the same batches and seed everything meets the same hidden cells.

    Args:
        losses_of: Returns (B, L, 8) losses from a batch and its hidden cells, such as `model_losses` of a model.
        sizes: Sizes of the fields.
        batches: All windows of the pieces, in an order that stays.
        pieces: How many pieces there are.
        seed: Seed of the hidden cells.
        repeats: Draws of hidden cells for each window.
    """
    total = torch.zeros(pieces, len(FIELDS), dtype=torch.float64)
    weight = torch.zeros_like(total)
    for number, batch in enumerate(batches):
        for repeat in range(repeats):
            generator = generator_of(batch.tokens.device, seed, _MEASURED, number, repeat)
            hidden, weights = hidden_cells(batch, sizes, generator)
            losses = losses_of(batch, hidden)
            total.index_add_(0, batch.piece, (losses.double() * weights).sum(1))
            weight.index_add_(0, batch.piece, weights.sum(1).double())
    return PieceLosses(total.numpy(), weight.numpy())


def paired_interval(differences: Sequence[float] | Floats, seed: int = 0) -> tuple[float, float, float]:
    """Return the mean of differences of pieces with its 95 % interval by a bootstrap over pieces.

    Args:
        differences: One number a piece.
        seed: Seed of the resamples.
    """
    values = np.asarray(differences, dtype=np.float64)
    chosen = np.random.default_rng(seed).integers(len(values), size=(_RESAMPLES, len(values)))
    low, high = np.quantile(values[chosen].mean(axis=1), [0.025, 0.975])
    return float(values.mean()), float(low), float(high)
