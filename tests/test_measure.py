"""The selector's measurements."""

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from pretrain.losses import Recovery
from pretrain.measure import HeldOut, TrainingMeter, _overlap, spearman
from pretrain.objective import Step
from pretrain.units import Choice
from symbolic.vocabulary import PITCH


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


def step_of(chosen, loss=2.0, auxiliary=()):
    """A step in which these (1, L, 8) cells were chosen, each with the same loss and none right but those of row 0."""
    length = chosen.shape[1]
    places = torch.arange(length)[None]
    counted = torch.ones(chosen.shape, dtype=torch.bool)
    correct = counted & (places == 0)[..., None]
    recovery = Recovery(torch.full(chosen.shape, loss), correct, counted)
    choice = Choice(places, chosen, places, chosen.any(-1))
    one = torch.tensor(1.0)
    return Step(one, 3 * one, dict.fromkeys(auxiliary, 5 * one), recovery, choice, chosen)


def test_the_meter_counts_cells_and_sees_padding_and_forgets_after_a_flush():
    meter = TrainingMeter(["interval"])
    real = torch.tensor([[True, True, True, False]])
    frozen = torch.tensor([[False, False, True, True]])
    chosen = torch.zeros(1, 4, 8, dtype=torch.bool)
    chosen[0, 0] = chosen[0, 1, PITCH] = chosen[0, 3, PITCH] = True
    meter.update(real, frozen, step_of(chosen, auxiliary=["interval"]))
    seen = meter.flush()
    assert seen["mask_rate"] == pytest.approx(9 / 24)
    assert seen["padding_share"] == pytest.approx(1 / 10)
    assert seen["frozen_share"] == pytest.approx(1 / 3)
    assert seen["chosen_loss"]["pitch"] == pytest.approx(2.0)
    assert seen["chosen_accuracy"]["pitch"] == pytest.approx(1 / 3)
    assert seen["chosen_accuracy"]["bar"] == pytest.approx(1.0)
    assert (seen["loss"], seen["selector_loss"], seen["auxiliary"]) == (1.0, 3.0, {"interval": 5.0})
    assert meter.flush()["mask_rate"] == 0


def test_rows_touched_are_counted_apart_from_their_cells():
    meter = TrainingMeter()
    real = torch.ones(1, 4, dtype=torch.bool)
    chosen = torch.zeros(1, 4, 8, dtype=torch.bool)
    chosen[0, :3, PITCH] = True
    meter.update(real, ~real, step_of(chosen))
    seen = meter.flush()
    assert seen["rows_touched"] == pytest.approx(3 / 4)
    assert seen["mask_rate"] == pytest.approx(3 / 32)
