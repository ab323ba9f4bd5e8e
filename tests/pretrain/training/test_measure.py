"""The selector's measurements."""

import numpy as np
import pytest
import torch
from pretrain_helpers import generator, make_objective, random_frozen, random_windows
from scipy.stats import spearmanr

from pretrain.objective.masked import Step
from pretrain.training.measure import HeldOut, TrainingMeter, _overlap, spearman
from symbolic.masking.losses import Recovery
from symbolic.masking.units import Choice
from symbolic.tokens.vocabulary import FIELDS, PITCH


def test_spearman_agrees_with_scipy_ties_included():
    random = np.random.default_rng(0)
    for _ in range(20):
        x, y = random.integers(0, 6, 50), random.normal(size=50)
        assert spearman(x, y) == pytest.approx(spearmanr(x, y).statistic)
    assert spearman(np.ones(5), np.arange(5)) is None
    assert spearman(np.ones(1), np.ones(1)) is None


def held_out(relation, batch=8, length=40):
    """Windows of which ten tokens were masked, with scores made from the losses."""
    generator = torch.Generator().manual_seed(0)
    places = torch.stack([torch.randperm(length, generator=generator)[:10] for _ in range(batch)])
    loss = torch.rand(batch, 10, 8, generator=generator)
    scores = torch.zeros(batch, length).scatter_(1, places, relation(loss.sum(-1)))
    valid = torch.ones(batch, 10, dtype=torch.bool)
    recovery = Recovery(loss, loss > 0.5, torch.ones_like(loss, dtype=torch.bool))
    measured = HeldOut()
    attention_mask = torch.ones(batch, length, dtype=torch.bool)
    measured.add(scores, attention_mask, scores > scores.median(), places, valid, recovery)
    return measured.summary()


def test_a_perfect_selector_is_seen_to_be_perfect():
    selector = held_out(lambda loss: loss)["selector"]
    for key in ("correlation", "correlation_even", "correlation_odd", "correlation_within_windows"):
        assert selector[key] == pytest.approx(1.0)
    assert selector["overlap_with_hardest"] == 1.0


def test_overlap_has_its_chance_level_in_short_windows():
    random = np.random.default_rng(0)
    for tokens in (1, 3, 5, 8):
        window = np.repeat(np.arange(2000), tokens)
        overlap, chance = _overlap(window, random.random(len(window)), random.random(len(window)))
        assert overlap == pytest.approx(chance, abs=0.03)


def test_an_inverted_second_window_shows_in_the_parities():
    flip = torch.tensor([1.0, -1.0]).repeat(4)[:, None]
    selector = held_out(lambda loss: loss * flip)["selector"]
    assert selector["correlation_even"] > 0.99
    assert selector["correlation_odd"] < -0.99


def test_accuracy_counts_only_valid_tokens():
    measured = HeldOut()
    correct = torch.zeros(1, 2, 8, dtype=torch.bool)
    correct[0, 0] = True
    recovery = Recovery(torch.ones(1, 2, 8), correct, torch.ones_like(correct))
    attention_mask = torch.ones(1, 4, dtype=torch.bool)
    measured.add(
        None, attention_mask, attention_mask, torch.tensor([[0, 1]]), torch.tensor([[True, False]]), recovery
    )
    summary = measured.summary()
    assert summary["tokens"] == 1
    assert summary["accuracy"]["pitch"] == 1.0
    assert "selector" not in summary


def step_of(chosen, loss=2.0, auxiliary=()):
    """A step in which these (1, L, 8) cells were chosen, each with the same loss and none right but those of "
    "token 0."""
    length = chosen.shape[1]
    places = torch.arange(length)[None]
    counted = torch.ones(chosen.shape, dtype=torch.bool)
    correct = counted & (places == 0)[..., None]
    recovery = Recovery(torch.full(chosen.shape, loss), correct, counted)
    choice = Choice(places, chosen, places, chosen.any(-1))
    one = torch.tensor(1.0)
    return Step(one, 3 * one, dict.fromkeys(auxiliary, 5 * one), recovery, choice, chosen)


def test_the_meter_counts_cells_and_resets_after_a_flush():
    meter = TrainingMeter(["interval"])
    attention_mask = torch.tensor([[True, True, True, False]])
    frozen = torch.tensor([[False, False, True, True]])
    chosen = torch.zeros(1, 4, 8, dtype=torch.bool)
    chosen[0, 0] = chosen[0, 1, PITCH] = chosen[0, 3, PITCH] = True
    meter.update(attention_mask, frozen, step_of(chosen, auxiliary=["interval"]))
    seen = meter.flush()
    assert seen["mask_rate"] == pytest.approx(9 / 24)
    assert seen["padding_share"] == pytest.approx(1 / 10)
    assert seen["frozen_share"] == pytest.approx(1 / 3)
    assert seen["chosen_loss"]["pitch"] == pytest.approx(2.0)
    assert seen["chosen_accuracy"]["pitch"] == pytest.approx(1 / 3)
    assert seen["chosen_accuracy"]["bar"] == pytest.approx(1.0)
    assert (seen["loss"], seen["selector_loss"], seen["auxiliary"]) == (1.0, 3.0, {"interval": 5.0})
    assert meter.flush()["mask_rate"] == 0


def test_tokens_with_masked_fields_are_counted_apart_from_cells():
    meter = TrainingMeter()
    attention_mask = torch.ones(1, 4, dtype=torch.bool)
    chosen = torch.zeros(1, 4, 8, dtype=torch.bool)
    chosen[0, :3, PITCH] = True
    meter.update(attention_mask, ~attention_mask, step_of(chosen))
    seen = meter.flush()
    assert seen["tokens_touched"] == pytest.approx(3 / 4)
    assert seen["mask_rate"] == pytest.approx(3 / 32)


def test_the_meter_agrees_with_a_loop_over_all_steps():
    objective = make_objective("scheduled", "field", auxiliary=("changed", "chroma"))
    meter, told = TrainingMeter(("changed", "chroma")), []
    for seed in range(3):
        windows = random_windows(seed, withheld=(2,) if seed else ())
        frozen = random_frozen(windows, 0.3, seed)
        told.append((windows, frozen, objective(windows, frozen, generator(seed))))
        meter.update(windows.attention_mask, frozen, told[-1][2])
    seen = meter.flush()
    attention_mask, chosen = (
        torch.cat(parts) for parts in zip(*((w.attention_mask, s.chosen) for w, _, s in told), strict=True)
    )
    assert seen["mask_rate"] == pytest.approx(int(chosen.sum()) / (8 * int(attention_mask.sum())))
    assert seen["tokens_touched"] == pytest.approx(int(chosen.any(-1).sum()) / int(attention_mask.sum()))
    assert seen["frozen_share"] == pytest.approx(
        sum(int(f.sum()) for _, f, _ in told) / int(attention_mask.sum())
    )
    assert seen["loss"] == pytest.approx(np.mean([step.loss.item() for *_, step in told]))
    for name in ("changed", "chroma"):
        expected = np.mean([step.auxiliary[name].item() for *_, step in told])
        assert seen["auxiliary"][name] == pytest.approx(expected)
    recovered = [(s.choice.cells, s.recovery.loss, s.recovery.correct) for *_, s in told]
    cells, loss, correct = (torch.cat(parts) for parts in zip(*recovered, strict=True))
    for field, name in enumerate(FIELDS):
        counted = cells[..., field]  # withheld fields are never among them
        assert seen["chosen_loss"][name] == pytest.approx(loss[..., field][counted].mean().item(), rel=1e-5)
        expected = correct[..., field][counted].float().mean().item()
        assert seen["chosen_accuracy"][name] == pytest.approx(expected)
