"""Warnings about labels and small tests."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from finetune.tasks.accounts import PieceUse, left_out, pieces_tested
from finetune.tasks.checks import class_warnings, few_pieces_warning, side_warnings


def test_usual_classes_give_no_warning() -> None:
    assert class_warnings({"Bach, J. S.": 20, "Bach, C. P. E.": 3, "2/4": 5}) == []


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({"Dur": 1, "dur": 19, "moll": 20}, "'Dur' (1 piece) and 'dur' (19 pieces) are different classes"),
        ({"hip-hop": 9, "Hip Hop": 9}, "'hip-hop' (9 pieces) and 'Hip Hop' (9 pieces) are different"),
        ({"a": 2, "b": 9}, "1 of 2 classes has fewer than 3 pieces (a): too few to be trained on"),
        ({str(i / 7): 1 for i in range(40)}, "40 of 40 classes have fewer than 3 pieces (0.0, "),
        ({str(i / 7): 1 for i in range(40)}, "All 40 classes are numbers (0.0, "),
        ({"1": 10, "2": 10, "3": 10}, "All 3 classes are numbers (1, 2, 3, ...). Each number is a class"),
        ({"0,5": 10, "0,7": 10}, "All 2 classes are numbers"),
        ({"dur|fast": 9, "moll": 9}, "The labels of 9 pieces hold '|', such as 'dur|fast'."),
    ],
)
def test_odd_classes_are_named(counts: dict[str, int], said: str) -> None:
    assert any(said in warning for warning in class_warnings(counts))


def fold(**sides: list[int]) -> Any:
    def pieces(side: str) -> list[tuple[None, Any]]:
        return [(None, np.array([one])) for one in sides[side]]

    return SimpleNamespace(task=SimpleNamespace(classes=("a", "b", "c")), pieces=pieces)


def test_classes_that_a_side_lacks_are_named() -> None:
    lacking = fold(train=[0, 1, -1], valid=[0, 1, 2], test=[0])
    assert side_warnings([lacking]) == [
        "Here the training side has nothing of class c, so it is never predicted.",
        "Here the test side has nothing of classes b, c, so they are not scored.",
    ]
    whole = fold(train=[0, 1, 2], valid=[0, 1, 2], test=[1, 2])
    assert side_warnings([whole]) == ["Here the test side has nothing of class a, so it is not scored."]
    assert side_warnings([lacking, whole]) == [
        "Here the training side of a fold has nothing of class c, so it is never predicted there."
    ]


def test_a_test_of_few_pieces_is_marked() -> None:
    assert few_pieces_warning(30) == []
    assert "Only 4 pieces are tested: one piece more or less right is 25 points" in few_pieces_warning(4)[0]
    assert "Only 1 piece is tested" in few_pieces_warning(1)[0]


def test_reasons_are_counted_without_names() -> None:
    reasons = [
        "unreadable: it is no MIDI",
        "unreadable: it is empty",
        "same music as a.mid, which is in test",
    ]
    uses = [PieceUse(str(i), "left out", reason) for i, reason in enumerate(reasons)]
    copies = "the same or nearly the same as a piece on another side"
    assert left_out([*uses, PieceUse("x", "test", "")]) == {"unreadable": 2, copies: 1}
    assert pieces_tested({"test": 4}) == 4
    assert pieces_tested({"test": 4, "folds": [{"test": 3}, {"test": 5}]}) == 8
