"""A torch data set of music files, and the function that batches it, for a training loop of your own.

    dataset = symbolic.MusicDataset("my_midi/", window=256, transposition=6)
    loader = DataLoader(dataset, batch_size=16, shuffle=True, collate_fn=symbolic.collate)

It holds all tokens in memory, 16 bytes a note. For large corpora prepare shards and use `data.ShardDataset`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from symbolic.errors import ConfigError, CounterpointError
from symbolic.music.abc.tunes import with_tunes
from symbolic.music.files import music_files
from symbolic.predict.windows import overlapping_windows
from symbolic.tokens.tokenizer import Tokenizer
from symbolic.tokens.transposition import window_of
from symbolic.tokens.vocabulary import PAD


class MusicWindow(NamedTuple):
    """A stretch of one piece.

    Attributes:
        tokens: (L, 8) int64 ids. Bars count from the start of the window.
        start: Index of its first token in the piece or in the shards of a `data.ShardDataset`.
        piece: Index of its piece.
    """

    tokens: Tensor
    start: int
    piece: int


class MusicBatch(NamedTuple):
    """Windows padded to one length.

    Attributes:
        tokens: (B, L, 8) int64 ids.
        attention_mask: (B, L) bool. False where a token is padding.
        start: (B,) int64 index of each window's first token.
        piece: (B,) int64 index of each window's piece.
    """

    tokens: Tensor
    attention_mask: Tensor
    start: Tensor
    piece: Tensor


class MusicDataset(Dataset[MusicWindow]):
    """Windows of music files, one an item.

    Args:
        music: A folder, or a list of paths, `Music` or the other kinds that a `Tokenizer` takes.
        tokenizer: By default `Tokenizer()`. Take that of the model which reads the tokens.
        window: Largest number of tokens in a window.
        overlap: Tokens that neighbouring windows share.
        transposition: Largest random transposition in semitones, up or down, drawn anew each time from torch's
            generator. Drums stay. 0: none.
        skip_unreadable: Leave out pieces that cannot be read and name them in `skipped`. By default they are an error.

    Attributes:
        pieces: What each piece was made from without those that were skipped.
        note_index: For each piece (N,) int32, the index in `music.notes` of the note of each token.
        skipped: Reasons by piece.

    Raises:
        CounterpointError: If a piece cannot be read, or there is none.
    """

    def __init__(
        self,
        music: str | Path | Iterable[Any],
        tokenizer: Tokenizer | None = None,
        window: int = 256,
        overlap: int = 0,
        transposition: int = 0,
        skip_unreadable: bool = False,
    ) -> None:
        from tqdm import tqdm

        if isinstance(music, str | Path):
            music = [Path(music) / name for name in with_tunes(sorted(music_files(music)), music)]
        tokenizer = tokenizer or Tokenizer()
        self.transposition = transposition
        self.pieces: list[Any] = []
        self.note_index: list[NDArray[np.int32]] = []
        self.skipped: dict[str, str] = {}
        self._ids: list[NDArray[np.uint16]] = []
        self._windows: list[tuple[int, int, int]] = []
        for piece in tqdm(list(music), "reading", unit=" pieces", delay=1, leave=False, disable=None):
            try:
                tokens = tokenizer(piece)
            except CounterpointError as error:
                if not skip_unreadable:
                    raise
                self.skipped[str(piece)] = str(error)
                continue
            cuts = overlapping_windows(tokens.ids, window, overlap, tokenizer.vocabulary.max_bars)
            self._windows += [(len(self.pieces), start, stop) for start, stop in cuts]
            self.pieces.append(piece)
            self._ids.append(tokens.ids)
            self.note_index.append(tokens.note_index)
        if not self._windows:
            raise ConfigError(
                "There are no notes to make windows of. Name a folder or files that hold music."
            )

    def __len__(self) -> int:
        return len(self._windows)

    def __getitem__(self, index: int) -> MusicWindow:
        piece, start, stop = self._windows[index]
        return cut_window(self._ids[piece][start:stop], self.transposition, start, piece)


def cut_window(tokens: NDArray[np.integer], transposition: int, start: int, piece: int) -> MusicWindow:
    """Return a stretch of a piece as an item of a data set, transposed at random by torch's generator.

    Args:
        tokens: (L, 8) ids of the stretch.
        transposition: Largest shift in semitones either way. 0: none.
        start: Index of its first token.
        piece: Index of its piece.
    """
    ids = window_of(tokens, transposition, lambda low, high: torch.randint(low, high, ()))
    return MusicWindow(torch.from_numpy(ids.astype(np.int64)), start, piece)


def collate(windows: Sequence[MusicWindow]) -> MusicBatch:
    """Pad windows to one length for `DataLoader(..., collate_fn=collate)`.

    Args:
        windows: B windows.

    Returns:
        A batch of (B, L, 8) tokens and their (B, L) attention mask.
    """
    lengths = torch.tensor([len(window.tokens) for window in windows])
    tokens = torch.nn.utils.rnn.pad_sequence([window.tokens for window in windows], True, PAD)
    return MusicBatch(
        tokens,
        torch.arange(tokens.shape[1]) < lengths[:, None],
        torch.tensor([window.start for window in windows]),
        torch.tensor([window.piece for window in windows]),
    )
