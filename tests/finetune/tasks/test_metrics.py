"""Scores: perfect, known, empty, malformed, and intervals that mean what they say."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score

from finetune.tasks.metrics import (
    accuracy,
    bootstrap_interval,
    class_f1,
    confusion_matrix,
    grouped_confusions,
    macro_f1,
    mean_sd,
    merge_classes,
    pack_counts,
    paired_bootstrap,
    unpack_counts,
)


def drawn(right: float, groups: int = 40, per_group: int = 30, seed: int = 0) -> np.ndarray:
    """(G, 3, 3) counts of predictions that are right with a given probability."""
    # The truth is the same for all systems, as on one test split.
    truth = np.random.default_rng(99).integers(0, 3, groups * per_group)
    miss = np.random.default_rng(seed).random(len(truth)) > right
    predicted = np.where(miss, (truth + 1) % 3, truth)
    return grouped_confusions(truth, predicted, np.repeat(np.arange(groups), per_group), 3)


def test_perfect_predictions_score_one() -> None:
    truth = np.array([0, 1, 2, 2])
    counts = confusion_matrix(truth, truth, 3)
    assert counts.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 2]]
    assert accuracy(counts) == macro_f1(counts) == 1.0


def test_scores_agree_with_scikit_learn() -> None:
    random = np.random.default_rng(1)
    truth, predicted = random.integers(0, 4, 500), random.integers(0, 4, 500)
    counts = confusion_matrix(truth, predicted, 4)
    assert accuracy(counts) == pytest.approx(accuracy_score(truth, predicted))
    assert macro_f1(counts) == pytest.approx(f1_score(truth, predicted, average="macro"))
    assert class_f1(counts) == pytest.approx(f1_score(truth, predicted, average=None))


def test_rows_are_truth_and_columns_predictions() -> None:
    assert confusion_matrix(np.array([0]), np.array([1]), 2).tolist() == [[0, 1], [0, 0]]


def test_a_class_that_occurs_nowhere_does_not_count() -> None:
    counts = confusion_matrix(np.array([0, 1]), np.array([0, 1]), 5)
    assert macro_f1(counts) == 1.0
    assert np.isnan(class_f1(counts)[2:]).all()


def test_groups_are_in_rising_order_and_sum_to_the_whole() -> None:
    truth, predicted, groups = np.array([0, 1, 1]), np.array([0, 0, 1]), np.array([7, 3, 7])
    counts = grouped_confusions(truth, predicted, groups, 2)
    assert counts[0].tolist() == [[0, 0], [1, 0]]
    assert (counts.sum(0) == confusion_matrix(truth, predicted, 2)).all()


def test_merging_classes_is_scoring_the_merged_labels() -> None:
    random = np.random.default_rng(2)
    truth, predicted = random.integers(0, 3, 300), random.integers(0, 3, 300)
    merge = np.array([0, 0, 1])
    merged = merge_classes(confusion_matrix(truth, predicted, 3), merge.tolist())
    assert (merged == confusion_matrix(merge[truth], merge[predicted], 2)).all()


@pytest.mark.parametrize(
    ("truth", "predicted", "groups", "says"),
    [
        ([], [], [], "nothing to score"),
        ([0, 1], [0], [0, 0], "equally long"),
        ([[0]], [[0]], [[0]], "one-dimensional"),
        ([0, 3], [0, 0], [0, 0], r"truth hold 0\.\.3"),
        ([0, 0], [0, -1], [0, 0], r"predictions hold -1\.\.0"),
        ([0.0], [0.0], [0], "class indices"),
    ],
)
def test_malformed_input_is_refused(truth: list, predicted: list, groups: list, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        grouped_confusions(np.array(truth), np.array(predicted), np.array(groups), 3)


def test_mean_and_deviation() -> None:
    assert mean_sd([1.0, 3.0]) == (2.0, pytest.approx(2**0.5))
    assert mean_sd([4.0]) == (4.0, 0.0)
    with pytest.raises(ValueError, match="nothing to average"):
        mean_sd([])


def test_the_interval_holds_the_score_narrows_with_groups_and_repeats_itself() -> None:
    few, many = drawn(0.8, groups=10), drawn(0.8, groups=200)
    narrow, wide = bootstrap_interval(many, accuracy), bootstrap_interval(few, accuracy)
    assert narrow.low < accuracy(many.sum(0)) < narrow.high
    assert narrow.high - narrow.low < wide.high - wide.low
    assert bootstrap_interval(many, accuracy) == narrow


def test_the_interval_resamples_groups_not_items() -> None:
    """All items of a group right or all wrong: as uncertain as the number of groups, however many items."""
    whole = np.repeat([[[100, 0], [0, 0]], [[0, 100], [0, 0]]], 10, axis=0)
    interval = bootstrap_interval(whole, accuracy)
    assert interval.high - interval.low > 0.3


def test_no_difference_is_claimed_between_equals() -> None:
    gap = paired_bootstrap([drawn(0.8)], [drawn(0.8)], accuracy)
    assert (gap.mean, gap.low, gap.high, gap.p) == (0, 0, 0, 1)


def test_a_clear_difference_is_claimed_and_pairs_may_differ_in_seeds() -> None:
    better = np.stack([drawn(0.9, seed=s) for s in (1, 2, 3)])
    gap = paired_bootstrap([better], [drawn(0.7, seed=4)], accuracy)
    assert 0.15 < gap.mean < 0.25
    assert gap.low > 0
    assert gap.p < 0.01


def test_a_difference_that_rests_on_one_seed_is_not_claimed() -> None:
    plain = np.stack([drawn(0.7, groups=100, seed=1)] * 5)
    lucky = plain.copy()
    lucky[0] = drawn(0.95, groups=100, seed=1)
    assert paired_bootstrap([lucky[0]], [plain[0]], accuracy).low > 0  # of other pieces it would hold
    gap = paired_bootstrap([lucky], [plain], accuracy)
    assert gap.low == 0  # and of other seeds it might not
    assert gap.mean == pytest.approx((accuracy(lucky.sum(axis=1)) - accuracy(plain.sum(axis=1))).mean())


def test_systems_that_differ_in_their_number_of_seeds_are_as_uncertain_as_theirs() -> None:
    """All groups are alike, so that seeds alone make a difference uncertain."""
    shares = np.array([0.9, 0.5, 0.7, 0.7, 0.8])
    ours, theirs = (
        np.stack([np.full((10, 2, 2), [[round(100 * s), 100 - round(100 * s)], [0, 100]]) for s in some])
        for some in (shares, shares[:3])
    )
    gap = paired_bootstrap([ours], [theirs], accuracy)
    scores = [(1 + some) / 2 for some in (shares, shares[:3])]
    assert gap.mean == pytest.approx(scores[0].mean() - scores[1].mean())
    spread = sum(one.var() / len(one) for one in scores) ** 0.5
    assert (gap.high - gap.low) / 2 == pytest.approx(1.96 * spread, rel=0.15)


def test_several_systems_stand_for_their_mean_and_one_without_seeds_beside_those_with() -> None:
    high, low = (np.stack([drawn(right, seed=s) for s in (1, 2, 3)]) for right in (0.9, 0.6))
    baseline = drawn(0.6, seed=4)
    gap = paired_bootstrap([high, low], [baseline], accuracy)
    alone = [paired_bootstrap([one], [baseline], accuracy).mean for one in (high, low)]
    assert gap.mean == pytest.approx(np.mean(alone))
    assert gap.low < gap.mean < gap.high
    with pytest.raises(ValueError, match="numbers of seeds"):
        paired_bootstrap([high, low[:2]], [baseline], accuracy)


def test_all_right_or_few_groups_are_as_uncertain_as_their_number() -> None:
    """As statistical tables give Wilson's interval for 3 of 3, 20 of 20 and 2 of 4."""
    right = np.array([[[1, 0], [0, 0]]])
    wrong = np.array([[[0, 1], [0, 0]]])
    assert bootstrap_interval(right.repeat(3, 0), accuracy) == pytest.approx((0.4385, 1), abs=1e-3)
    assert bootstrap_interval(right.repeat(20, 0), accuracy) == pytest.approx((0.8389, 1), abs=1e-3)
    some = np.concatenate([right, right, wrong, wrong])
    assert bootstrap_interval(some, accuracy) == pytest.approx((0.15, 0.85), abs=1e-3)
    assert bootstrap_interval(wrong.repeat(3, 0), accuracy) == pytest.approx((0, 1 - 0.4385), abs=1e-3)


@pytest.mark.parametrize(("groups", "p"), [(1, 1.0), (2, 0.5), (5, 0.0625)])
def test_few_test_pieces_prove_no_difference(groups: int, p: float) -> None:
    right, wrong = (
        np.repeat(np.array([one]), groups, axis=0) for one in ([[1, 0], [0, 0]], [[0, 1], [0, 0]])
    )
    gap = paired_bootstrap([right], [wrong], accuracy)
    assert gap.mean == 1
    assert gap.p == p
    assert gap.low <= 0
    assert gap.high == pytest.approx(1)


def test_pairing_runs_of_different_tests_is_refused() -> None:
    with pytest.raises(ValueError, match="same items"):
        paired_bootstrap([drawn(0.8, groups=10)], [drawn(0.8, groups=11)], accuracy)
    with pytest.raises(ValueError, match="shape"):
        bootstrap_interval(np.zeros((0, 3, 3), dtype=np.int64), accuracy)


def test_counts_come_back_from_a_record_and_zeros_cost_little() -> None:
    counts = np.zeros((3, 20, 20), dtype=np.int64)
    counts[1, 2, 3], counts[2, 0, 0], counts[2, 0, 1] = 170, 1, 1
    packed = pack_counts(counts)
    assert (unpack_counts(packed) == counts).all()
    assert len(packed["packed"]) < 60
    assert unpack_counts({"shape": [1, 2, 2], "packed": "0RRI400RU7"}).tolist() == [[[0, 0], [3, 4]]]
