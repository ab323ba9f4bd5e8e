"""The selector's measurements."""

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from pretrain.losses import Recovery
from pretrain.measure import HeldOut, TrainingMeter, _overlap, spearman


def test_spearman_agrees_with_scipy_ties_included():
    random = np.random.default_rng(0)
    for _ in range(20):
        x, y = random.integers(0, 6, 50), random.normal(size=50)
        assert spearman(x, y) == pytest.approx(spearmanr(x, y).statistic)
    assert spearman(np.ones(5), np.arange(5)) is None
    assert spearman(np.ones(1), np.ones(1)) is None


def held_out(relation, batch=8, length=40):
    """Windows of which ten rows were masked, with scores made from the losses."""
    generator = torch.Generator().manual_seed(0)
    places = torch.stack([torch.randperm(length, generator=generator)[:10] for _ in range(batch)])
    loss = torch.rand(batch, 10, 8, generator=generator)
    scores = torch.zeros(batch, length).scatter_(1, places, relation(loss.sum(-1)))
    valid = torch.ones(batch, 10, dtype=torch.bool)
    recovery = Recovery(loss, loss > 0.5, torch.ones_like(loss, dtype=torch.bool))
    measured = HeldOut()
    real = torch.ones(batch, length, dtype=torch.bool)
    measured.add(scores, real, scores > scores.median(), places, valid, recovery)
    return measured.summary()


def test_a_perfect_selector_is_seen_to_be_perfect():
    selector = held_out(lambda loss: loss)["selector"]
    for key in ("correlation", "correlation_even", "correlation_odd", "correlation_within_windows"):
        assert selector[key] == pytest.approx(1.0)
    assert selector["overlap_with_hardest"] == 1.0


def test_overlap_is_told_beside_what_chance_gives_in_windows_so_short():
    random = np.random.default_rng(0)
    for rows in (1, 3, 5, 8):
        window = np.repeat(np.arange(2000), rows)
        overlap, chance = _overlap(window, random.random(len(window)), random.random(len(window)))
        assert overlap == pytest.approx(chance, abs=0.03)


def test_an_inverted_second_window_shows_in_the_parities():
    flip = torch.tensor([1.0, -1.0]).repeat(4)[:, None]
    selector = held_out(lambda loss: loss * flip)["selector"]
    assert selector["correlation_even"] > 0.99
    assert selector["correlation_odd"] < -0.99


def test_accuracy_counts_only_valid_rows():
    measured = HeldOut()
    correct = torch.zeros(1, 2, 8, dtype=torch.bool)
    correct[0, 0] = True
    recovery = Recovery(torch.ones(1, 2, 8), correct, torch.ones_like(correct))
    real = torch.ones(1, 4, dtype=torch.bool)
    measured.add(None, real, real, torch.tensor([[0, 1]]), torch.tensor([[True, False]]), recovery)
    summary = measured.summary()
    assert summary["rows"] == 1
    assert summary["accuracy"]["pitch"] == 1.0
    assert "selector" not in summary


def test_the_meter_forgets_after_a_flush_and_sees_padding():
    meter = TrainingMeter()
    real = torch.tensor([[True, True, True, False]])
    chosen = torch.tensor([[True, False, False, True]])
    correct = torch.ones(1, 1, 8, dtype=torch.bool)
    recovery = Recovery(torch.full((1, 1, 8), 2.0), correct, correct)
    valid, one = torch.ones(1, 1, dtype=torch.bool), torch.tensor(1.0)
    meter.update(real, torch.zeros_like(real), chosen, recovery, valid, one, one)
    seen = meter.flush(1)
    assert seen["mask_rate"] == pytest.approx(1 / 3)
    assert seen["padding_share"] == pytest.approx(0.5)
    assert seen["chosen_loss"]["bar"] == pytest.approx(2.0)
    assert meter.flush(1)["mask_rate"] == 0
