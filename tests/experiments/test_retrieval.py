"""Retrieval of partners by scaled numbers."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.retrieval import SCALINGS, retrieved

RANDOM = np.random.default_rng(0)
MUSIC = RANDOM.normal(size=(40, 12))


@pytest.mark.parametrize("scaling", SCALINGS)
def test_equal_sides_are_found_and_strangers_are_not(scaling: str) -> None:
    same = retrieved([(MUSIC, MUSIC.copy())], scaling)
    assert same.scores.all()
    assert same.performances.all()
    stranger = retrieved([(MUSIC, RANDOM.normal(size=MUSIC.shape))], scaling)
    assert stranger.scores.mean() < 0.2


def test_a_constant_shift_of_one_side_needs_a_scaling_per_side() -> None:
    moved = [(MUSIC, MUSIC + 20 * np.arange(12))]
    assert retrieved(moved, "per side").scores.all()
    assert not retrieved(moved, "one").scores.all()


def test_numbers_that_performances_change_weigh_less_by_pairs() -> None:
    noise = 5 * RANDOM.normal(size=(2, 40, 12))
    sides = [tuple(np.concatenate([MUSIC, one], axis=1) for one in noise)]
    assert retrieved(sides, "by pairs").scores.mean() > retrieved(sides, "one").scores.mean() + 0.2


def test_ties_are_missed() -> None:
    twice = np.repeat(MUSIC[:20], 2, axis=0)
    assert not retrieved([(twice, twice.copy())], "one").scores.any()
