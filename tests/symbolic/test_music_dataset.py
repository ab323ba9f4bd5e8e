"""A torch data set from files: windows cover each piece, and batches are padded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from finetune_helpers import tune, write_folder
from torch.utils.data import DataLoader

from symbolic import MusicDataset, Tokenizer, collate
from symbolic.errors import ConfigError, MusicFileError
from symbolic.tokens.vocabulary import BAR, PAD, PITCH, RESERVED


def test_windows_cover_each_piece_and_count_bars_from_their_start() -> None:
    pieces = [tune(1, bars=12), tune(2, bars=3)]
    dataset = MusicDataset(pieces, window=32)
    covered = [np.zeros(len(one), dtype=int) for one in pieces]
    for window in (dataset[index] for index in range(len(dataset))):
        ids = Tokenizer()(pieces[window.piece]).ids
        covered[window.piece][window.start : window.start + len(window.tokens)] += 1
        assert window.tokens.dtype == torch.int64
        assert window.tokens[0, BAR] == RESERVED
        np.testing.assert_array_equal(
            window.tokens[:, PITCH], ids[window.start : window.start + len(window.tokens), PITCH]
        )
    assert all((one > 0).all() for one in covered)
    assert [len(index) for index in dataset.note_index] == [len(one) for one in pieces]


def test_batches_are_padded_and_masked(tmp_path: Path) -> None:
    dataset = MusicDataset(write_folder(tmp_path, 4), window=50)
    assert len(dataset.pieces) == 4
    for batch in DataLoader(dataset, batch_size=3, collate_fn=collate):
        assert batch.tokens.shape[:2] == batch.attention_mask.shape
        assert (batch.tokens[~batch.attention_mask] == PAD).all()
        assert (batch.tokens[batch.attention_mask] != PAD).all()


def test_transposition_is_drawn_anew() -> None:
    dataset = MusicDataset([tune(1)], transposition=5)
    assert len({int(dataset[0].tokens[0, PITCH]) for _ in range(30)}) > 3


def test_unreadable_files_are_errors_or_named(tmp_path: Path) -> None:
    write_folder(tmp_path, 2)
    (tmp_path / "bad.mid").write_bytes(b"MThd")
    with pytest.raises(MusicFileError, match=r"bad\.mid"):
        MusicDataset(tmp_path)
    dataset = MusicDataset(tmp_path, skip_unreadable=True)
    assert len(dataset.pieces) == 2
    assert [Path(name).name for name in dataset.skipped] == ["bad.mid"]
    with pytest.raises(ConfigError, match="no notes"):
        MusicDataset([tmp_path / "bad.mid"], skip_unreadable=True)
