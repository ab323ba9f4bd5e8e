"""A torch data set of the windows of a prepared corpus for a training loop of your own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch.utils.data import Dataset

from data.preparation.settings import PrepareSettings
from data.shards import Shards
from data.windows import make_windows
from symbolic.dataset import MusicWindow, collate, cut_window
from symbolic.tokens.tokenizer import Tokenizer

__all__ = ["ShardDataset", "collate"]


class ShardDataset(Dataset[MusicWindow]):
    """Windows of a prepared corpus, one an item.

        dataset = data.ShardDataset("my_midi/", window=512, transposition=6)
        loader = DataLoader(dataset, batch_size=16, shuffle=True, collate_fn=data.collate)
        for batch in loader:
            states = backbone(batch.tokens, batch.attention_mask)

    A window finds its labels by its piece and its start: `dataset.shards.pieces[piece].labels` and
    `dataset.shards.note_labels(name)[start : start + len(tokens)]`.

    Args:
        path: A prepared corpus, its folder, a `.pack` file or a folder of music files. Music files are prepared into
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

    def __getitem__(self, index: int) -> MusicWindow:
        start, stop, piece = self.windows[index].tolist()
        return cut_window(self.shards.tokens(start, stop), self.transposition, start, piece)
