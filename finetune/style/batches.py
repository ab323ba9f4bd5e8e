"""Batches of a style as a function of seed and step, so that a run can stop and resume anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from symbolic.dataset import MusicBatch, MusicDataset, collate
from symbolic.music.notes import Music
from symbolic.tokens.tokenizer import Tokenizer


class StyleBatches(Dataset[MusicBatch]):
    """Batch k of an endless sequence of windows. Each epoch is shuffled and transposed anew.

    Args:
        windows: Windows of the pieces, transposed by torch's generator.
        size: Windows in a batch.
        seed: Seed of order and transposition.
    """

    def __init__(self, windows: MusicDataset, size: int, seed: int) -> None:
        self._windows, self._size, self._seed = windows, size, seed

    @property
    def per_epoch(self) -> int:
        """Batches in one pass over all windows."""
        return -(-len(self._windows) // self._size)

    def __len__(self) -> int:
        return self.per_epoch

    def __getitem__(self, step: int) -> MusicBatch:
        epoch, place = divmod(step, self.per_epoch)
        order = np.random.default_rng([self._seed, epoch]).permutation(len(self._windows))
        chosen = order[place * self._size : (place + 1) * self._size].tolist()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(np.random.SeedSequence([self._seed, step, 1]).generate_state(1)[0]))
            return collate([self._windows[index] for index in chosen])


def held_out_loader(
    pieces: Sequence[Music], tokenizer: Tokenizer, window: int, size: int
) -> DataLoader[MusicBatch]:
    """Load all windows of pieces once, in an order that stays.

    Args:
        pieces: The music.
        tokenizer: That of the model.
        window: Most notes in a window.
        size: Windows in a batch.
    """
    loader: DataLoader[Any] = DataLoader(MusicDataset(pieces, tokenizer, window), size, collate_fn=collate)
    return loader
