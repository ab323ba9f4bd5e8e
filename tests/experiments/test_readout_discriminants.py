"""Discriminants from numbers and from inner products."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.discriminants import of_numbers, of_products


def examples(width: int, stretches: int = 3):
    random = np.random.default_rng(0)
    pieces = np.repeat(np.arange(40), stretches)
    labels = pieces % 4
    numbers = random.normal(size=(len(pieces), width))
    numbers[np.arange(len(pieces)), labels] += 6
    return numbers, labels, pieces, pieces < 30


@pytest.mark.parametrize("width", [8, 60, 300])
def test_products_and_numbers_give_the_same_answer(width: int) -> None:
    numbers, labels, pieces, train = examples(width)
    one = of_numbers(numbers, labels, pieces, train, 5)
    moved = (numbers - numbers[train].mean(0)) / numbers[train].std(0)
    other = of_products((moved @ moved.T).astype(np.float32), width, labels, pieces, train, 5)
    np.testing.assert_allclose(one, other, atol=1e-3)
    np.testing.assert_allclose(np.exp(one).sum(1), 1)


def test_pieces_that_were_not_fitted_to_are_told_apart() -> None:
    numbers, labels, pieces, train = examples(8)
    found = of_numbers(numbers, labels, pieces, train, 4)
    assert found.shape == (40, 4)
    assert (found.argmax(1)[30:] == np.arange(30, 40) % 4).all()


def test_a_shift_of_all_numbers_changes_no_product_answer() -> None:
    numbers, labels, pieces, train = examples(60)
    here, there = (
        of_products((x @ x.T).astype(np.float32), 60, labels, pieces, train, 4)
        for x in (numbers, numbers + 2)
    )
    np.testing.assert_allclose(here, there, atol=1e-2)


def test_an_unknown_class_is_never_predicted() -> None:
    numbers, labels, pieces, train = examples(8)
    found = of_numbers(numbers, labels, pieces, train & (labels != 2), 4)
    assert (found[:, 2] < found.max(1)).all()
    assert 2 not in found.argmax(1)


def test_copies_of_stretches_do_not_change_the_shrinkage() -> None:
    numbers, labels, pieces, train = examples(60, stretches=1)
    copied = [np.repeat(one, 7, axis=0) for one in (numbers, labels, pieces, train)]
    np.testing.assert_allclose(
        of_numbers(*copied, 4), of_numbers(numbers, labels, pieces, train, 4), atol=1e-9
    )


def test_numbers_that_are_all_alike_leave_the_shares_of_classes() -> None:
    _, labels, pieces, train = examples(8)
    nothing = np.zeros((len(pieces), len(pieces)), dtype=np.float32)
    for found in (
        of_products(nothing, 60, labels, pieces, train, 4),
        of_numbers(np.zeros((len(pieces), 3)), labels, pieces, train, 4),
    ):
        np.testing.assert_allclose(np.exp(found[0]), np.bincount(labels[train]) / train.sum(), atol=1e-6)
