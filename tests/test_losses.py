"""Recovery losses and the weights of fields."""

import pytest
import torch

from pretrain.losses import FieldWeights, Recovery, recover
from symbolic.vocabulary import HIDDEN, RESERVED, VELOCITY, Vocabulary

SIZES = Vocabulary().sizes


def perfect(targets):
    return [100.0 * torch.nn.functional.one_hot(targets[..., f], n).float() for f, n in enumerate(SIZES)]


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
    weights = FieldWeights(momentum=0.0, floor=0.1)
    accuracy = torch.tensor([1.0, 0.5, 0.25, 0.2, 0.1, 0.0, 1.0, 1.0])
    correct = torch.rand(1, 10_000, 8, generator=torch.Generator().manual_seed(0)) < accuracy
    seen = torch.ones_like(correct)
    weights.update(
        Recovery(torch.zeros(1, 10_000, 8), correct, seen), torch.ones(1, 10_000, dtype=torch.bool)
    )
    found = weights()
    assert float(found.mean()) == pytest.approx(1.0)
    assert float(found[1] / found[0]) == pytest.approx(2.0, rel=0.05)
    assert float(found[5] / found[0]) == pytest.approx(10.0, rel=0.05)  # floored, not infinite


def test_rows_that_were_not_masked_do_not_move_the_weights():
    weights = FieldWeights(momentum=0.5)
    before = weights.accuracy.clone()
    wrong = torch.zeros(2, 4, 8, dtype=torch.bool)
    weights.update(Recovery(torch.zeros(2, 4, 8), wrong, ~wrong), torch.zeros(2, 4, dtype=torch.bool))
    assert torch.equal(weights.accuracy, before)
