"""Numbers that describe chords and pairs of chords."""

import numpy as np
import pytest

from symbolic.mapping.chords import chord_features, chords_of
from symbolic.mapping.pairs import nearest, pair_features, possible_pairs
from symbolic.music.notes import Music, note_array


def march(count=48, shift=0):
    """Chords of two notes each half a second, every fourth louder and lower."""
    onset = np.repeat(np.arange(count) * 480 + shift, 2)
    strong = np.repeat(np.arange(count) % 4 == 0, 2)
    pitch = np.where(strong, 40, 60) + np.arange(len(onset)) % 2 * 7
    return chords_of(Music(note_array(onset, 400, pitch, np.where(strong, 100, 60)), 480))


def test_notes_that_begin_together_are_a_chord():
    found = march()
    assert np.diff(found.time) == pytest.approx(0.5)
    assert np.diff(found.first).tolist() == [2] * 47


@pytest.mark.parametrize("count", [1, 2, 3, 48])
def test_features_are_finite_for_any_number_of_chords(count):
    chords = march(count)
    places = np.full((count, 3), 1 / 3)
    features = chord_features(chords)
    assert features.shape == (count, 196)
    assert np.isfinite(features).all()
    first, second = possible_pairs(chords.time, places[:, 1] + places[:, 2])
    if count > 1:
        found = pair_features(chords, places, first, second)
        assert found.shape == (len(first), 63)
        assert np.isfinite(found).all()


def test_features_do_not_know_when_the_music_begins():
    assert chord_features(march(shift=9600)) == pytest.approx(chord_features(march()), abs=1e-4)


def test_pairs_last_as_long_as_a_beat_may():
    first, second = possible_pairs(np.array([0.0, 0.1, 0.5, 6.0, 6.5]), np.array([0.5, 0.5, 0.5, 0.5, 0.01]))
    assert list(zip(first.tolist(), second.tolist(), strict=True)) == [(1, 2), (0, 2)]


def test_the_nearest_time_is_found():
    assert nearest(np.array([0.0, 1.0, 2.0]), np.array([-5, 0.4, 0.6, 9])).tolist() == [0, 0, 1, 2]
