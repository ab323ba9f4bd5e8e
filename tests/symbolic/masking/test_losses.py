"""Recovery losses and the weights of fields."""

import pytest
import torch
from pretrain_helpers import SIZES, generator

from symbolic.masking.losses import FieldWeights, Recovery, recover
from symbolic.tokens.vocabulary import HIDDEN, RESERVED, VELOCITY


def perfect(targets):
    return [100.0 * torch.nn.functional.one_hot(targets[..., f], n).float() for f, n in enumerate(SIZES)]


def made_recovery(seed=0, tokens=30):
    """Of windows of which some cells are withheld, and which cells were to be recovered."""
    counted = torch.rand(4, tokens, 8, generator=generator(seed)) < 0.8
    correct = (torch.rand(4, tokens, 8, generator=generator(seed + 1)) < 0.4) & counted
    loss = torch.rand(4, tokens, 8, generator=generator(seed + 2)) * counted
    cells = torch.rand(4, tokens, 8, generator=generator(seed + 3)) < 0.5
    return Recovery(loss, correct, counted), cells


def test_right_and_wrong_predictions():
    targets = torch.full((2, 3, 8), RESERVED)
    good = recover(perfect(targets), targets)
    assert good.correct.all()
    assert good.loss.max() < 1e-6
    bad = recover(perfect(targets + 1), targets)
    assert not bad.correct.any()
    assert bad.loss.min() > 10


def test_a_hidden_field_counts_for_nothing():
    targets = torch.full((2, 3, 8), RESERVED)
    targets[..., VELOCITY] = HIDDEN
    result = recover(perfect(targets + 1), targets)
    assert (result.loss[..., VELOCITY] == 0).all()
    assert not result.counted[..., VELOCITY].any()
    assert result.counted[..., :VELOCITY].all()


def test_weights_are_the_inverse_of_accuracy_with_mean_one():
    weights = FieldWeights(momentum=0.0, baseline=0.1)
    accuracy = torch.tensor([1.0, 0.5, 0.25, 0.2, 0.1, 0.0, 1.0, 1.0])
    correct = torch.rand(1, 10_000, 8, generator=generator()) < accuracy
    seen = torch.ones_like(correct)
    weights.gather(Recovery(torch.zeros(1, 10_000, 8), correct, seen), seen)
    weights.update()
    found = weights()
    assert float(found.mean()) == pytest.approx(1.0)
    assert float(found[1] / found[0]) == pytest.approx(2.0, rel=0.05)
    assert float(found[5] / found[0]) == pytest.approx(10.0, rel=0.05)  # floored, not infinite


def test_cells_that_were_not_chosen_do_not_change_weights():
    weights = FieldWeights(momentum=0.5)
    before = weights.accuracy.clone(), weights.typical.clone()
    wrong = torch.zeros(2, 4, 8, dtype=torch.bool)
    weights.gather(Recovery(torch.ones(2, 4, 8), wrong, ~wrong), wrong)
    weights.update()
    assert torch.equal(weights.accuracy, before[0])
    assert torch.equal(weights.typical, before[1])


def test_accuracy_and_loss_are_means_over_counted_cells():
    weights, (recovery, cells) = FieldWeights(momentum=0.0), made_recovery()
    weights.gather(recovery, cells)
    weights.update()
    for field in range(8):
        counted = (recovery.counted & cells)[..., field]
        accuracy = recovery.correct[..., field][counted].float().mean()
        assert float(weights.accuracy[field]) == pytest.approx(float(accuracy))
        assert float(weights.typical[field]) == pytest.approx(
            float(recovery.loss[..., field][counted].mean())
        )


def test_several_batches_in_a_step_count_as_one():
    """Of unequal size, so that a mean of means would be another."""
    batches = [made_recovery(seed, tokens) for seed, tokens in ((0, 30), (10, 7), (20, 50))]
    one_by_one, at_once = FieldWeights(momentum=0.7), FieldWeights(momentum=0.7)
    for recovery, cells in batches:
        one_by_one.gather(recovery, cells)
    joined = [torch.cat(parts, 1) for parts in zip(*(recovery for recovery, _ in batches), strict=True)]
    at_once.gather(Recovery(*joined), torch.cat([cells for _, cells in batches], 1))
    one_by_one.update()
    at_once.update()
    assert torch.allclose(one_by_one.accuracy, at_once.accuracy)
    assert torch.allclose(one_by_one.typical, at_once.typical)
    before = one_by_one.accuracy.clone()
    one_by_one.update()  # finds nothing gathered
    assert torch.equal(one_by_one.accuracy, before)
    again = FieldWeights(momentum=0.7)
    for recovery, cells in batches:
        again.gather(recovery, cells)
        again.update()
    assert not torch.allclose(one_by_one.accuracy, again.accuracy)
