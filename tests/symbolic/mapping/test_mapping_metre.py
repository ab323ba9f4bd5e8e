"""Bars of known beats."""

import numpy as np
import pytest

from symbolic.mapping.metre import downbeats, metre_features, strong_beats


def strong(bars):
    """Return probabilities of downbeats for bars of these lengths."""
    return np.concatenate([[0.9] + [0.1] * (beats - 1) for beats in bars])


@pytest.mark.parametrize("in_bar", [2, 3, 4, 5])
def test_bars_begin_at_strong_beats(in_bar):
    down, fit = downbeats(np.roll(strong([in_bar] * 8), 1), in_bar)
    assert np.flatnonzero(down).tolist() == list(range(1, 8 * in_bar, in_bar))
    assert fit == pytest.approx(np.log(0.9))


def test_one_bar_may_be_longer_but_noise_changes_none():
    down, _ = downbeats(strong([3] * 6 + [4] + [3] * 6), 3)
    assert sorted(np.diff(np.flatnonzero(down)).tolist()) == [3] * 11 + [4]
    noisy = strong([3] * 12)
    noisy[16] = 0.9
    assert np.diff(np.flatnonzero(downbeats(noisy, 3)[0])).tolist() == [3] * 11


def test_beats_without_an_onset_are_seldom_strong():
    places = np.array([[0.0, 0.1, 0.9], [0.0, 1.0, 0.0]])
    found = strong_beats(np.array([0.0, 1.0]), places, np.array([0.0, 0.5, 1.0]))
    assert found.tolist() == pytest.approx([0.9, 0.2, 0.02])


def test_features_of_metre_are_finite_for_two_beats():
    for probabilities in (np.array([0.9, 0.1]), strong([4] * 9)):
        beats = np.arange(len(probabilities)) * 0.5
        found = metre_features(beats, probabilities, beats)
        assert np.isfinite(found).all()
        assert found.shape == (1, 20)
