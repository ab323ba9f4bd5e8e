"""The best path through pairs of chords."""

import numpy as np
import pytest

from symbolic.mapping.beat_path import best_beats
from symbolic.mapping.pairs import possible_pairs


def found(time, lasting):
    """Return the best beats where pairs are likely that last this long."""
    first, second = possible_pairs(time, np.ones(len(time)))
    near = np.abs(np.log((time[second] - time[first]) / lasting)) < 0.1
    return best_beats(time, first, second, np.where(near, 0.8, 0.05))


@pytest.mark.parametrize("lasting", [0.25, 0.5, 1.0])
def test_likely_pairs_become_beats(lasting):
    assert np.diff(found(np.arange(65) * 0.25, lasting)) == pytest.approx(lasting)


def test_beats_follow_a_tempo_that_changes():
    time = np.cumsum(0.25 * 1.01 ** np.arange(64))
    first, second = possible_pairs(time, np.ones(64))
    beats = best_beats(time, first, second, np.where(second - first == 2, 0.8, 0.05))
    assert np.isin(beats, time[::2]).all() or np.isin(beats, time[1::2]).all()
    assert len(beats) == 32


def test_silence_is_filled_with_even_beats():
    time = np.concatenate([np.arange(16) * 0.5, 20 + np.arange(16) * 0.5])
    beats = found(time, 0.5)
    assert np.isin(time, beats).all()
    assert np.diff(beats) == pytest.approx(0.5, abs=0.02)


def test_a_chord_alone_is_a_beat():
    none = np.zeros(0, dtype=np.int64)
    assert best_beats(np.array([1.5]), none, none, np.zeros(0)).tolist() == [1.5]
