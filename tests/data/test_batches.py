"""Windows and batches: every token once an epoch, and batch k the same in every process."""

import itertools

import numpy as np
import pytest
import torch

from data.batches import StepBatches, endless_loader, one_pass_loader
from data.corpora import open_corpus
from data.preparation.prepare import prepare
from data.windows import make_windows
from symbolic import Tokenizer, write_midi
from symbolic.music.notes import DRUM_PROGRAM, Music, note_array
from symbolic.tokens.vocabulary import BAR, PITCH, PROGRAM, RESERVED, Vocabulary


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """Pieces of 20 to 300 notes, a quarter of them drums, one so sparse that its bars outrun a window."""
    folder = tmp_path_factory.mktemp("music")
    random = np.random.default_rng(0)
    for i in range(12):
        n = 20 + 25 * i
        program = np.where(random.random(n) < 0.25, DRUM_PROGRAM, 0)
        notes = note_array(np.arange(n) * 240, 240, random.integers(30, 100, n), 80, program)
        write_midi(Music(notes, 480), folder / f"{i:02d}.mid")
    sparse = note_array(np.arange(100) * 480 * 4 * 7, 480, random.integers(40, 80, 100))
    write_midi(Music(sparse, 480), folder / "sparse.mid")
    return prepare(open_corpus("folder", folder), folder / "shards", Tokenizer(), jobs=0, progress=False)


@pytest.fixture(scope="module")
def windows(shards):
    return make_windows(shards, np.arange(len(shards.pieces)), 64)


def test_windows_hold_every_token_once_within_pieces_and_bars(shards, windows):
    starts, stops, pieces = windows.T
    assert np.array_equal(
        np.concatenate([np.arange(a, b) for a, b in zip(starts, stops, strict=True)]), np.arange(len(shards))
    )
    assert (stops - starts).max() <= 64
    for start, stop, piece in windows:
        assert shards.offsets[piece] <= start < stop <= shards.offsets[piece + 1]
        bars = shards.tokens(int(start), int(stop))[:, BAR]
        assert bars.max() - bars.min() < 256
    sparse = next(i for i, piece in enumerate(shards.pieces) if piece.key == "sparse.mid")
    assert (pieces == sparse).sum() > 2  # 700 bars need three windows, though 100 tokens need two


def test_windows_of_a_piece_are_of_nearly_equal_length(shards, windows):
    for piece in range(len(shards.pieces)):
        if shards.pieces[piece].key != "sparse.mid":
            lengths = [b - a for a, b, p in windows if p == piece]
            assert max(lengths) - min(lengths) <= 1


def test_windows_span_no_more_bars_than_the_vocabulary_has(tmp_path):
    pitches = np.random.default_rng(0).integers(40, 80, 100)
    write_midi(Music(note_array(np.arange(100) * 1920, 1920, pitches), 480), tmp_path / "slow.mid")
    tokenizer = Tokenizer(Vocabulary(max_bars=20))
    shards = prepare(open_corpus("folder", tmp_path), tmp_path / "shards", tokenizer, jobs=0, progress=False)
    windows = make_windows(shards, np.array([0]), 64)
    assert windows[:, :2].tolist() == [[0, 20], [20, 40], [40, 50], [50, 70], [70, 90], [90, 100]]
    roaming = StepBatches(shards, windows, 64, seed=1, roam=32)
    seen = torch.cat([roaming[step].tokens[..., BAR].flatten() for step in range(20)])
    assert seen.max() == 20 + RESERVED - 1


def test_each_epoch_has_every_window_once_in_another_order(shards, windows):
    batches = StepBatches(shards, windows, 256, seed=3)
    epochs = [[batches[e * len(batches) + k] for k in range(len(batches))] for e in range(2)]
    orders = [torch.cat([b.start for b in epoch]).tolist() for epoch in epochs]
    assert sorted(orders[0]) == sorted(orders[1]) == windows[:, 0].tolist()
    assert orders[0] != orders[1]


def test_batch_k_is_a_function_of_seed_and_step(shards, windows):
    def same(a, b):
        return torch.equal(a.tokens, b.tokens) and torch.equal(a.start, b.start)

    first, second = (StepBatches(shards, windows, 256, seed=3, transposition=11) for _ in range(2))
    other = StepBatches(shards, windows, 256, seed=4, transposition=11)
    steps = [17, 2, 2, 40, 0]
    assert all(same(first[k], second[k]) for k in steps)
    assert not all(same(first[k], other[k]) for k in steps)


def test_a_loader_goes_on_where_another_stopped_and_ranks_share(shards, windows):
    batches = StepBatches(shards, windows, 256, seed=1)

    def starts(loader, count):
        return [b.start.tolist() for b in itertools.islice(iter(loader), count)]

    whole = starts(endless_loader(batches), 12)
    assert starts(endless_loader(batches, start=5), 7) == whole[5:]
    ranks = [starts(endless_loader(batches, rank=r, world=2), 6) for r in range(2)]
    assert [x for pair in zip(*ranks, strict=True) for x in pair] == whole


def test_padding_is_at_the_end_marked_and_bounded(shards, windows):
    for batch in one_pass_loader(StepBatches(shards, windows, 256, shuffle=False)):
        assert (batch.tokens[~batch.attention_mask] == 0).all()
        assert (batch.tokens[batch.attention_mask] >= RESERVED).all()
        assert bool((~batch.attention_mask).any()) == batch.padded
        assert (batch.attend is None) == (not batch.padded)
        assert batch.tokens.shape[0] * batch.tokens.shape[1] <= 256 or batch.tokens.shape[0] == 1
        assert (batch.tokens[:, 0, BAR] == RESERVED).all()  # bars count from the window


def test_transposition_moves_pitches_together_and_leaves_drums(shards, windows):
    still = StepBatches(shards, windows, 256, seed=5)
    moving = StepBatches(shards, windows, 256, seed=5, transposition=11)
    shifts = []
    for step in range(len(still)):
        a, b = still[step], moving[step]
        drums = a.tokens[..., PROGRAM] == DRUM_PROGRAM + RESERVED
        assert torch.equal(a.tokens[drums], b.tokens[drums])
        keep = [f for f in range(8) if f != PITCH]
        assert torch.equal(a.tokens[..., keep], b.tokens[..., keep])
        for i in range(len(a.tokens)):
            pitched = a.attention_mask[i] & ~drums[i]
            moved = (b.tokens[i] - a.tokens[i])[pitched][:, PITCH].unique()
            assert moved.numel() <= 1
            shifts += moved.tolist()
    assert min(shifts) < -5
    assert max(shifts) > 5
    assert all(-11 <= s <= 11 for s in shifts)


def test_roaming_windows_keep_length_and_piece_and_move_each_epoch(shards, windows):
    still = StepBatches(shards, windows, 256, seed=5)
    roaming = StepBatches(shards, windows, 256, seed=5, roam=32)
    offsets, seen = np.asarray(shards.offsets), []
    for step in range(3 * len(still)):
        before, batch = still[step], roaming[step]
        assert torch.equal(before.attention_mask, batch.attention_mask)
        assert torch.equal(before.piece, batch.piece)
        assert (before.start - batch.start).abs().max() <= 32
        for tokens, attention_mask, start, piece in zip(
            batch.tokens, batch.attention_mask, batch.start, batch.piece, strict=True
        ):
            stop = int(start + attention_mask.sum())
            assert offsets[piece] <= start < stop <= offsets[piece + 1]
            expected = shards.tokens(int(start), stop).astype(np.int64)
            assert expected[-1, BAR] - expected[0, BAR] < 256
            expected[:, BAR] -= expected[0, BAR] - RESERVED
            assert np.array_equal(tokens[attention_mask], expected)
        seen.append((before.start - batch.start).tolist())
    one, two = (np.concatenate(seen[e * len(still) : (e + 1) * len(still)]) for e in (1, 2))
    assert (one != 0).mean() > 0.5
    assert not np.array_equal(np.sort(one), np.sort(two))


def test_roaming_windows_read_ends_as_often_as_the_middle(shards):
    piece = max(range(len(shards.pieces)), key=lambda one: shards.offsets[one + 1] - shards.offsets[one])
    start, stop = int(shards.offsets[piece]), int(shards.offsets[piece + 1])
    windows = make_windows(shards, np.array([piece]), 64)
    assert len(windows) > 3
    batches, heard = StepBatches(shards, windows, 64, seed=1, roam=32), np.zeros(stop - start)
    epochs = 200
    for step in range(epochs * len(batches)):
        batch = batches[step]
        for first, attention_mask in zip(batch.start.tolist(), batch.attention_mask, strict=True):
            heard[first - start : first - start + int(attention_mask.sum())] += 1
    assert heard.min() / epochs > 0.4
    assert heard.max() / epochs < 1.7
