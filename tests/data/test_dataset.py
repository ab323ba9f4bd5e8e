"""A data set of windows with torch's own loader."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from made import write_tunes
from torch.utils.data import DataLoader

import data
from symbolic import Tokenizer
from symbolic.tokens.tokenizer import rebase_bars
from symbolic.tokens.vocabulary import PAD, PITCH


@pytest.fixture
def shards(tmp_path):
    folder = write_tunes(tmp_path / "music", 5)
    (folder / "labels.csv").write_text(
        "file,label,split\n" + "".join(f"t{i:03d}.mid,a,train\n" for i in range(5))
    )
    return data.prepare(
        data.open_corpus("folder", folder), tmp_path / "shards", Tokenizer(), jobs=0, progress=False
    )


def test_loader_gives_every_token_once(shards):
    dataset = data.ShardDataset(shards, window=10, splits=["train"])
    loader = DataLoader(dataset, batch_size=4, shuffle=True, collate_fn=data.collate)
    found = np.zeros((len(shards), 8), dtype=np.int64)
    for batch in loader:
        assert (batch.tokens[~batch.attention_mask] == PAD).all()
        for tokens, mask, start, piece in zip(
            batch.tokens, batch.attention_mask, batch.start, batch.piece, strict=True
        ):
            assert shards.offsets[piece] <= start < shards.offsets[piece + 1]
            found[start : start + mask.sum()] = tokens[mask]
    expected = [rebase_bars(shards.tokens(*window[:2])) for window in dataset.windows.tolist()]
    assert np.array_equal(found, np.concatenate(expected))


def test_transposition_follows_the_seed_of_torch(shards):
    dataset = data.ShardDataset(shards, window=24, transposition=5)
    plain = data.ShardDataset(shards, window=24)[0].tokens[:, PITCH]

    def pitches():
        return torch.stack([dataset[0].tokens[:, PITCH] for _ in range(20)])

    torch.manual_seed(1)
    first = pitches()
    shifts = (first - plain).unique()
    assert ((first - plain) == (first - plain)[:, :1]).all()
    assert len(shifts) > 3
    assert shifts.abs().max() <= 5
    torch.manual_seed(1)
    assert torch.equal(pitches(), first)


def test_a_folder_of_music_files_is_prepared(tmp_path, monkeypatch):
    monkeypatch.setenv("COUNTERPOINT_CACHE", str(tmp_path / "cache"))
    dataset = data.ShardDataset(write_tunes(tmp_path / "music", 3))
    assert sum(len(window.tokens) for window in dataset) == len(dataset.shards) == 72
    assert len(data.ShardDataset(dataset.shards.path)) == len(dataset)


def test_public_names_are_found_and_cost_no_torch():
    assert all(getattr(data, name) is not None for name in dir(data))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        data.nonsense  # noqa: B018
    code = "import sys, data; dir(data); data.Shards; assert not {'torch', 'music21'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
