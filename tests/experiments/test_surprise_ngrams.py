"""N-gram models of viewpoints, and the comparison of bits by pieces."""

from __future__ import annotations

import numpy as np
import pytest
from synthetic import line

from experiments.surprise import compared
from experiments.viewpoints import VIEWPOINTS, Counts, Events, ViewpointModel, events, joined
from symbolic.predict.surprise import WRITTEN
from symbolic.tokens.tokenizer import Tokenizer


def notes(pitches: list[int]) -> Events:
    return events(Tokenizer().encode(line(pitches)).ids)


def test_notes_are_steps_in_time_pitches_and_places() -> None:
    found = notes([60, 64, 67, 72, 60])
    assert found.onset == [0, 16, 16, 16, 16]
    assert found.pitch == [60, 64, 67, 72, 60]
    assert found.duration == [15] * 5
    assert found.place == [-1, 0, 16, 32, 48]


def test_counts_are_interpolated_by_witten_and_bell() -> None:
    counts = Counts()
    for context, symbol in (((1, 2), 0), ((1, 3), 0), ((1, 2), 4)):
        counts.add(context, symbol)
    once = np.full(5, 1 / 5) * 2 / 5 + np.array([2, 0, 0, 0, 1]) / 5
    np.testing.assert_allclose(counts.distribution((), 5), once)
    np.testing.assert_allclose(counts.distribution((9,), 5), once)
    after_one = once * 2 / 5 + np.array([2, 0, 0, 0, 1]) / 5
    np.testing.assert_allclose(counts.distribution((1, 3), 5), after_one / 2 + np.array([1, 0, 0, 0, 0]) / 2)


def test_every_viewpoint_gives_a_distribution_of_its_field() -> None:
    piece = notes([60, 62, 64, 62, 60, 62])
    for one in VIEWPOINTS:
        counts = Counts()
        for at in range(5):
            counts.add(one.context(piece, at), one.symbol(piece, at))
        found = one.values(piece, 5, counts.distribution(one.context(piece, 5), one.size))
        assert found.sum() == pytest.approx(1)
        assert len(found) > getattr(piece, one.field)[5]


def test_the_surer_distribution_weighs_more() -> None:
    sure, vague = np.array([0.97, 0.01, 0.01, 0.01]), np.array([0.1, 0.3, 0.3, 0.3])
    found = joined([sure, vague])
    assert found.sum() == pytest.approx(1)
    assert found[0] > 0.8


def test_what_was_learnt_surprises_less_than_what_is_new() -> None:
    scale = [60, 62, 64, 65, 67, 69, 71, 72] * 3
    other = [60, 67, 61, 70, 63, 59, 72, 66] * 3
    learnt, alone = ViewpointModel([notes(scale)]), ViewpointModel()
    assert learnt.bits(notes(scale))["pitch"].mean() < learnt.bits(notes(other))["pitch"].mean()
    repeated = alone.bits(notes(scale))["pitch"]
    assert repeated[16:].mean() < repeated[:8].mean() / 2
    # Intervals are learnt in any key.
    assert (
        learnt.bits(notes([p + 1 for p in scale]))["pitch"].sum()
        < alone.bits(notes([p + 1 for p in scale]))["pitch"].sum()
    )


def test_measures_are_compared_with_the_first_by_pieces() -> None:
    random = np.random.default_rng(0)
    first = [{field: random.exponential(2, 20) for field in WRITTEN} for _ in range(8)]
    second = [{field: bits + 1 for field, bits in piece.items()} for piece in first]
    same, other = compared({"a": first, "b": second})
    assert same["total"]["difference"] == {"mean": 0.0, "interval": [0.0, 0.0]}
    assert other["pitch"]["difference"]["mean"] == pytest.approx(1)
    assert other["total"]["difference"]["interval"] == pytest.approx([3, 3])
    assert other["total"]["ranks"]["mean"] == pytest.approx(1)
    assert (other["pieces"], other["notes"]) == (8, 160)
