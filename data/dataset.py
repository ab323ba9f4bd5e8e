"""A torch data set of windows, and the function that batches them, for a training loop of your own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from data.batches import Batch, pad
from data.preparation.settings import PrepareSettings
from data.shards import Shards
from data.windows import make_windows
from symbolic.tokens.tokenizer import Tokenizer, rebase_bars
from symbolic.tokens.transposition import transpose, transposition_range


class Window(NamedTuple):
    """A stretch of one piece.

    Attributes:
        tokens: (L, 8) int64 ids. Bars count from the start of the window.
        start: Index of its first token in the shards.
        piece: Index of its piece in `ShardDataset.shards.pieces`.
    """

    tokens: Tensor
    start: int
    piece: int


class ShardDataset(Dataset[Window]):
    """Windows of a prepared corpus, one an item.

        dataset = data.ShardDataset("my_midi/", window=512, transposition=6)
        loader = DataLoader(dataset, batch_size=16, shuffle=True, collate_fn=data.collate)
        for batch in loader:
            states = backbone(batch.tokens, batch.attention_mask)

    A window finds its labels by its piece and its start: `dataset.shards.pieces[piece].labels` and
    `dataset.shards.note_labels(name)[start : start + len(tokens)]`.

    Args:
        path: A prepared corpus, its folder, a `.pack` file, or a folder of music files. Music files are prepared into
            the cache.
        window: Largest number of tokens in a window.
        splits: Sides of the split. Default: all but the excluded pieces.
        transposition: Largest random transposition in semitones, up or down. torch's generator draws it anew each
            time. Drums stay. 0: none.

    Raises:
        CounterpointError: If the corpus is absent or unfit.
    """

    def __init__(
        self,
        path: str | Path | Shards,
        window: int = 512,
        splits: Sequence[str] = (),
        transposition: int = 0,
    ) -> None:
        self.shards = (
            path if isinstance(path, Shards) else PrepareSettings().shards("folder", str(path), Tokenizer())
        )
        self.windows = make_windows(self.shards, self.shards.select(*splits), window)
        self.transposition = transposition

    def __len__(self) -> int:
        return len(self.windows)

    def __getitem__(self, index: int) -> Window:
        start, stop, piece = self.windows[index].tolist()
        tokens = rebase_bars(self.shards.tokens(start, stop))
        if self.transposition:
            low, high = transposition_range(tokens, self.transposition)
            tokens = transpose(tokens, int(torch.randint(low, high + 1, ())))
        return Window(torch.from_numpy(tokens.astype(np.int64)), start, piece)


def collate(windows: Sequence[Window]) -> Batch:
    """Pad windows to one length, for `DataLoader(..., collate_fn=collate)`.

    Args:
        windows: B windows.

    Returns:
        A `Batch` of (B, L, 8) tokens with their attention mask. Its `step` is 0.
    """
    return pad(
        [window.tokens.numpy() for window in windows],
        np.array([window.start for window in windows]),
        np.array([window.piece for window in windows]),
    )
