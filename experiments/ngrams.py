"""A model of neighbouring notes as a baseline for hidden fields: counts alone, fitted in a second."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from symbolic.dataset import MusicBatch
from symbolic.tokens.transposition import transpose, transposition_range
from symbolic.tokens.vocabulary import FIELDS

_MOST = 5
"""Largest transposition in semitones either way."""


class NeighbourModel:
    """Predicts a field of a note from the same field of the notes before and after it, where they are visible.

    Each of the two predictions is a bigram that falls back to the unigram, and that to equal chances, by Witten and
    Bell ("The zero-frequency problem", 1991). Their mean is the prediction.

    Args:
        windows: (L, 8) ids of each training window. Up to twelve transpositions of it are counted.
        sizes: Sizes of the fields.
    """

    def __init__(self, windows: Sequence[NDArray[np.integer]], sizes: Sequence[int]) -> None:
        counts = [np.zeros((size, size)) for size in sizes]
        for window in windows:
            low, high = transposition_range(window, _MOST)
            for shift in range(low, high + 1):
                ids = transpose(window, shift).astype(np.int64)
                for field, count in enumerate(counts):
                    np.add.at(count, (ids[:-1, field], ids[1:, field]), 1)
        self._once = [_smoothed(count.sum(0), np.full(len(count), 1 / len(count))) for count in counts]
        # In both directions: the rows are the neighbour that is seen.
        self._from = [
            [_smoothed(one, once[None]) for one in (count, count.T)]
            for count, once in zip(counts, self._once, strict=True)
        ]

    def losses(self, batch: MusicBatch, hidden: Tensor) -> Tensor:
        """Return (B, L, 8) losses in nats of hidden cells, 0 elsewhere."""
        ids, cells = batch.tokens.numpy(), hidden.numpy()
        seen = ~cells & batch.attention_mask.numpy()[..., None]
        found = np.zeros(ids.shape)
        for field in range(len(FIELDS)):
            value, known = ids[..., field], seen[..., field]
            once = self._once[field][value]
            total = np.zeros(value.shape)
            for table, step in zip(self._from[field], (1, -1), strict=True):
                beside, there = np.roll(value, step, axis=1), np.roll(known, step, axis=1)
                there[:, 0 if step == 1 else -1] = False
                total += np.where(there, table[beside, value], once)
            found[..., field] = -np.log(total / 2)
        return torch.from_numpy(found * cells)


def _smoothed(counts: NDArray[np.float64], below: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return probabilities along the last axis that leave to a distribution below what counts do not know."""
    distinct = (counts > 0).sum(-1, keepdims=True)
    weight = np.maximum(distinct, 1)
    return np.asarray((counts + weight * below) / (counts.sum(-1, keepdims=True) + weight))
