"""Exact playing that the map learns from."""

from pathlib import Path

import numpy as np
import pytest

from finetune.mapping.fit import rows_of
from finetune.mapping.steady import STEPS, exact, scale
from symbolic.mapping.features import TICKS
from symbolic.mapping.quantisation import PLACES, VALUES
from symbolic.music.notes import Music, note_array


@pytest.mark.parametrize("step", STEPS)
def test_a_scale_is_played_in_even_notes(step):
    random = np.random.default_rng(step)
    played = exact(scale(step, random), Path("scale"), random)
    assert set(np.diff(played.tick)) == {step}
    assert played.value * TICKS == pytest.approx(step)
    assert np.abs(played.notes.onset * TICKS - played.tick).max() < 3
    found = rows_of(played)
    assert set(VALUES[found["value"][1]]) == {step}
    assert set(PLACES[found["places"][1]]) <= {0, TICKS, *range(step, TICKS, step)}


def test_a_pick_up_keeps_its_place_in_the_beat():
    signatures = np.array([(0, 1, 8), (240, 3, 4)])
    notes = note_array([0, 240, 720, 1200], [240, 480, 480, 0], [60, 64, 67, 72])
    played = exact(Music(notes, 480, time_signatures=signatures), Path("x"), np.random.default_rng(0))
    assert played is None  # an eighth and a quarter are two units
    signatures = np.array([(0, 1, 4), (480, 3, 4)])
    played = exact(Music(notes, 480, time_signatures=signatures), Path("x"), np.random.default_rng(0))
    assert (played.tick % TICKS).tolist() == [0, 12, 12]
    assert played.written.tolist() == [0, 1, 2]


def test_changing_units_are_left_out():
    signatures = np.array([(0, 2, 4), (960, 6, 8)])
    music = Music(note_array([0, 960], 480, [60, 64]), 480, time_signatures=signatures)
    assert exact(music, Path("x"), np.random.default_rng(0)) is None
