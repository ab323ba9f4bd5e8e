"""Music at an exact tempo: its grid and the beats on it."""

import numpy as np
import pytest

from symbolic.mapping.beats import find_beats
from symbolic.mapping.chords import chords_of
from symbolic.mapping.grid import WEIGHTS, Grid, find_grid, grid_features
from symbolic.mapping.learnt import load_map
from symbolic.mapping.tracking import RuleTracking
from symbolic.music.notes import Music, note_array


def song(beat, begin=0.3, bars=24):
    """A melody in eighths and quarters over a bass note and two chords, four beats a bar, each so many seconds."""
    onset, pitch, length = [], [], []
    for bar in range(bars):
        root = (48, 53, 55, 50)[bar % 4]
        for step in range(4):
            for one in (root - 12,) if step % 2 == 0 else (root, root + 4, root + 7):
                onset.append(4 * bar + step)
                pitch.append(one)
                length.append(0.9)
        for step, tone in ((0, 24), (1, 28), (1.5, 26), (2, 31), (3, 28)):
            onset.append(4 * bar + step)
            pitch.append(root + tone)
            length.append(0.45 if step in (1, 1.5) else 0.9)
    ticks, lengths = (np.round(np.array(one) * beat * 960).astype(int) for one in (onset, length))
    return Music(note_array(ticks + round(begin * 960), lengths, pitch, 70), 480)


def test_a_grid_is_found_to_the_millisecond():
    time = 0.7 + 0.1234 * np.flatnonzero(np.random.default_rng(0).random(400) < 0.6)
    found = find_grid(time)
    assert found.step == pytest.approx(0.1234, abs=1e-5)
    late = (time - found.start) / found.step
    assert np.abs(late - np.round(late)).max() < 0.02


@pytest.mark.parametrize("loose", [0.03, 0.2])
def test_free_playing_has_no_grid(loose):
    random = np.random.default_rng(0)
    time = np.cumsum(random.choice([0.2, 0.4], 300) * np.exp(random.normal(0, loose, 300)))
    assert find_grid(time) is None


def test_few_chords_have_no_grid():
    assert find_grid(np.arange(20) * 0.25) is None


@pytest.mark.parametrize("beat", [0.37, 0.5, 0.66])
@pytest.mark.parametrize("tracker", ["rules", "learnt"])
def test_beats_of_a_plain_song_are_neither_half_nor_double(beat, tracker):
    music = song(beat)
    given = {"tracker": load_map().tracker} if tracker == "learnt" else {}
    found = find_beats(music, **given)
    assert np.diff(found.times) == pytest.approx(beat, abs=0.003)
    place = (found.times - 0.3) / beat
    assert np.abs(place - np.round(place)).max() < 0.05
    assert found.in_bar in (2, 4)


def test_each_step_of_a_possible_beat_may_begin_it():
    chords = chords_of(song(0.5))
    steps, first, numbers = grid_features(chords, RuleTracking(chords).accents, Grid(0.3, 0.25))
    assert steps.tolist() == [1] + [2] * 2 + [3] * 3 + [4] * 4 + [6] * 6
    assert (first < steps).all()
    assert numbers.shape == (16, len(WEIGHTS))
    assert np.isfinite(numbers).all()
