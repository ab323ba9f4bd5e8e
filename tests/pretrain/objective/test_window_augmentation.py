"""Windows that are made louder or softer as a whole."""

from __future__ import annotations

import numpy as np

from pretrain.objective.augmentation import any_loudness
from symbolic.tokens.vocabulary import FIELDS, HIDDEN, RESERVED, VELOCITY, Vocabulary

VOC = Vocabulary()
OTHERS = [field for field in range(len(FIELDS)) if field != VELOCITY]


def changed(velocities, seeds=400):
    """Copies of a window with these velocity values, of which half are the window itself."""
    window = np.full((len(velocities), len(FIELDS)), RESERVED + 3, dtype=np.uint16)
    window[:, VELOCITY] = np.array(velocities) + RESERVED
    before = window.copy()
    found = [any_loudness(window, np.random.default_rng(seed), VOC) for seed in range(seeds)]
    assert np.array_equal(window, before)
    assert all(np.array_equal(one[:, OTHERS], window[:, OTHERS]) for one in found)
    assert 0.4 < np.mean([one is window for one in found]) < 0.6
    return np.stack([one[:, VELOCITY] for one in found]).astype(int) - RESERVED


def test_music_without_dynamics_gets_any_velocity():
    found = changed([16, 16, 16])
    assert (found == found[:, :1]).all()
    assert set(found[:, 0]) == set(range(VOC.velocity_bins))


def test_dynamics_stay_and_no_velocity_leaves_its_range():
    found = changed([5, 20, 12])
    assert (found - found[:, :1] == [0, 15, 7]).all()
    assert (found.min(), found.max()) == (0, VOC.velocity_bins - 1)


def test_hidden_velocities_stay_hidden():
    assert (changed([HIDDEN - RESERVED, 16])[:, 0] == HIDDEN - RESERVED).all()
    window = np.full((2, len(FIELDS)), HIDDEN, dtype=np.uint16)
    assert any_loudness(window, np.random.default_rng(0), VOC) is window
