"""Frozen tokens: one bit a token, on disk, in versions."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from made import write_tunes
from prepared import run
from pretrain_helpers import make_module

from data.batches import StepBatches, Steps
from data.corpora.folder import FolderCorpus
from data.windows import make_windows
from pretrain.objective.freezing import FreezeBook, retire
from pretrain.objective.retirement import Retirement
from symbolic.errors import CheckpointError
from symbolic.tokens.vocabulary import POSITION, VELOCITY


def test_freeze_state_follows_the_token_through_any_window(tmp_path):
    book = FreezeBook(tmp_path, 103)
    state = np.random.default_rng(0).random(103) < 0.3
    starts = np.array([0, 40, 77])
    book.revise(5, starts, [state[0:40], state[40:77], state[77:103]])
    for start in range(103):
        shown = book.frozen(np.array([start]), 30)[0]
        expected = np.zeros(30, dtype=bool)
        expected[: min(30, 103 - start)] = state[start : start + 30]
        assert np.array_equal(shown, expected)
    assert book.share() == pytest.approx(state.mean())
    assert (tmp_path / "frozen-00000005.bits").stat().st_size == 13  # one bit a token


def test_tokens_outside_revised_windows_keep_their_state(tmp_path):
    book = FreezeBook(tmp_path, 20)
    book.revise(1, np.array([0]), [np.ones(10, dtype=bool)])
    book.revise(2, np.array([5]), [np.zeros(10, dtype=bool)])
    assert book.frozen(np.array([0]), 20)[0].tolist() == [True] * 5 + [False] * 15


def test_versions_are_kept_for_resuming(tmp_path):
    book = FreezeBook(tmp_path, 8)
    book.revise(3, np.array([0]), [np.ones(8, dtype=bool)])
    book.revise(6, np.array([0]), [np.zeros(8, dtype=bool)])
    again = FreezeBook(tmp_path, 8)
    again.use(3)
    assert again.share() == 1
    again.use(0)
    assert again.share() == 0
    with pytest.raises(CheckpointError, match="missing"):
        again.use(4)
    with pytest.raises(CheckpointError, match="another corpus"):
        FreezeBook(tmp_path, 800).use(3)


def test_the_top_by_score_is_retired_and_some_come_back():
    torch.manual_seed(0)
    attention_mask = torch.ones(500, 100, dtype=torch.bool)
    attention_mask[:, 90:] = False
    frozen = torch.zeros_like(attention_mask)
    frozen[:, :30] = True
    scores = torch.rand(500, 100)
    state = retire(scores, attention_mask, frozen, torch.Generator().manual_seed(0))
    assert not state[:, 90:].any()  # never padding
    new, thawed = state & ~frozen, frozen & ~state
    share = new.sum(1) / 60
    assert share.min() >= 0.08
    assert share.max() <= 0.32
    assert abs(share.mean() - 0.2) < 0.01  # U(0.1, 0.3) of the unfrozen
    assert thawed.sum(1).max() <= 3
    assert abs(thawed.float().sum(1).mean() / 30 - 0.05) < 0.01  # U(0, 0.1) of the frozen
    for window in range(500):
        kept = scores[window][attention_mask[window] & ~frozen[window] & ~new[window]]
        assert scores[window][new[window]].min() >= kept.max()


def test_a_freeze_limit_leaves_room_for_unfrozen_tokens():
    attention_mask = torch.ones(50, 100, dtype=torch.bool)
    attention_mask[::2, 60:] = False
    state = torch.zeros_like(attention_mask)
    scores = torch.rand(50, 100, generator=torch.Generator().manual_seed(0))
    for round_ in range(20):
        before = state
        state = retire(scores, attention_mask, state, torch.Generator().manual_seed(round_), limit=0.5)
        assert not (state & ~attention_mask).any()
        assert (state.sum(1) <= (0.5 * attention_mask.sum(1)).floor()).all()
    assert (state.sum(1) >= (0.4 * attention_mask.sum(1)).floor()).all()
    assert (state != before).any()  # full as it is, the state still turns over


def test_retiring_goes_on_until_little_is_left():
    attention_mask = torch.ones(50, 100, dtype=torch.bool)
    state = torch.zeros_like(attention_mask)
    shares = []
    for round_ in range(12):
        state = retire(torch.rand(50, 100), attention_mask, state, torch.Generator().manual_seed(round_))
        shares.append(float(state.float().mean()))
    assert shares == sorted(shares)
    assert shares[-1] > 0.6


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    folder = tmp_path_factory.mktemp("music")
    return run(FolderCorpus(write_tunes(folder / "tunes", 16)), folder / "shards")


@pytest.mark.parametrize("length", [7, 16])
def test_freeze_state_follows_the_token_through_loaders(length, shards, tmp_path):
    """A token is told by its content, which transposition leaves alone but for the pitch."""
    book, random = FreezeBook(tmp_path, len(shards)), np.random.default_rng(0)
    state = random.random(len(shards)) < 0.4
    book.revise(1, np.array([0]), [state])
    windows = make_windows(shards, np.arange(len(shards.pieces)), length)
    batches = StepBatches(shards, windows, 100, seed=3, transposition=11)
    for epoch in range(2):
        met = np.zeros(len(shards), dtype=int)
        first = epoch * batches.per_epoch
        for rank in range(2):
            for step, _ in zip(Steps(0, rank, 2), range(2 * batches.per_epoch), strict=False):
                if not first <= step < first + batches.per_epoch:
                    continue
                batch = batches[step]
                frozen = book.frozen(batch.start.numpy(), batch.tokens.shape[1])
                for tokens, attention_mask, start, of in zip(
                    batch.tokens, batch.attention_mask, batch.start, frozen, strict=True
                ):
                    count = int(attention_mask.sum())
                    index = int(start) + np.arange(count)
                    stored = shards.tokens(int(start), int(start) + count)
                    for field in (POSITION, VELOCITY):
                        assert np.array_equal(tokens[:count, field].numpy(), stored[:, field])
                    assert np.array_equal(of[:count], state[index])
                    met[index] += 1
        assert (met == 1).all()  # of two processes, each token is met by one, once an epoch


def retirement(shards, folder, rank=0, world=1):
    """What revises a book at step 4, in one of several processes, and its book."""
    batches = StepBatches(shards, make_windows(shards, np.arange(len(shards.pieces)), 16), 100, shuffle=False)
    book, module = FreezeBook(folder, len(shards)), make_module(folder / "module")
    trainer = SimpleNamespace(
        global_step=4, max_steps=100, world_size=world, global_rank=rank, is_global_zero=rank == 0,
        strategy=SimpleNamespace(batch_to_device=lambda batch: batch, barrier=lambda: None),
    )  # fmt: skip
    module.trainer = trainer
    callback = Retirement(batches, book, 4, 0.5)
    return book, lambda: callback.on_train_batch_end(trainer, module, None, None, 0)


def test_a_revision_reaches_every_window_and_is_loaded_again(shards, tmp_path):
    book, revise = retirement(shards, tmp_path)
    revise()
    assert book.version == 4
    for start, stop, _ in make_windows(shards, np.arange(len(shards.pieces)), 16):
        share = book.frozen(np.array([start]), stop - start).mean()
        assert 0 < share < 0.4
    again = FreezeBook(tmp_path, len(shards))
    again.use(4)
    everything = np.zeros(1, dtype=np.int64), len(shards)
    assert np.array_equal(again.frozen(*everything), book.frozen(*everything))


def test_processes_share_one_revision(shards, tmp_path, monkeypatch):
    alone, revise = retirement(shards, tmp_path / "alone")
    revise()
    second = []

    def send(found, mine):
        second.append(mine)
        raise EOFError  # all that this process had to say

    def receive(found, mine):
        found[:] = [mine, *second]

    monkeypatch.setattr("torch.distributed.all_gather_object", send)
    with pytest.raises(EOFError):
        retirement(shards, tmp_path / "pair", rank=1, world=2)[1]()
    monkeypatch.setattr("torch.distributed.all_gather_object", receive)
    pair, revise = retirement(shards, tmp_path / "pair", world=2)
    revise()
    assert len(second[0][0])
    everything = np.zeros(1, dtype=np.int64), len(shards)
    assert np.array_equal(pair.frozen(*everything), alone.frozen(*everything))
