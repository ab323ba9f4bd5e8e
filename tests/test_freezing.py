"""Frozen rows: one bit a row, on disk, in versions."""

import numpy as np
import pytest
import torch

from pretrain.freezing import FreezeBook, retire
from symbolic.errors import CheckpointError


def test_state_follows_the_row_through_any_window(tmp_path):
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
    assert (tmp_path / "frozen-00000005.bits").stat().st_size == 13  # one bit a row


def test_rows_outside_the_revised_windows_keep_their_state(tmp_path):
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
    real = torch.ones(500, 100, dtype=torch.bool)
    real[:, 90:] = False
    frozen = torch.zeros_like(real)
    frozen[:, :30] = True
    scores = torch.rand(500, 100)
    state = retire(scores, real, frozen, torch.Generator().manual_seed(0))
    assert not state[:, 90:].any()  # never padding
    new, thawed = state & ~frozen, frozen & ~state
    share = new.sum(1) / 60
    assert share.min() >= 0.08
    assert share.max() <= 0.32
    assert abs(share.mean() - 0.2) < 0.01  # U(0.1, 0.3) of the unfrozen
    assert thawed.sum(1).max() <= 3
    assert abs(thawed.float().sum(1).mean() / 30 - 0.05) < 0.01  # U(0, 0.1) of the frozen
    for window in range(500):
        kept = scores[window][real[window] & ~frozen[window] & ~new[window]]
        assert scores[window][new[window]].min() >= kept.max()


def test_a_limit_holds_and_leaves_room_for_those_that_come_back():
    real = torch.ones(50, 100, dtype=torch.bool)
    real[::2, 60:] = False
    state = torch.zeros_like(real)
    scores = torch.rand(50, 100, generator=torch.Generator().manual_seed(0))
    for round_ in range(20):
        before = state
        state = retire(scores, real, state, torch.Generator().manual_seed(round_), limit=0.5)
        assert not (state & ~real).any()
        assert (state.sum(1) <= (0.5 * real.sum(1)).floor()).all()
    assert (state.sum(1) >= (0.4 * real.sum(1)).floor()).all()
    assert (state != before).any()  # full as it is, the state still turns over


def test_retiring_goes_on_until_little_is_left():
    real = torch.ones(50, 100, dtype=torch.bool)
    state = torch.zeros_like(real)
    shares = []
    for round_ in range(12):
        state = retire(torch.rand(50, 100), real, state, torch.Generator().manual_seed(round_))
        shares.append(float(state.float().mean()))
    assert shares == sorted(shares)
    assert shares[-1] > 0.6
