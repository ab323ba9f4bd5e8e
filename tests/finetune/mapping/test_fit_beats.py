"""Chords with annotated beats, from which finding beats is learnt."""

import numpy as np

from finetune.mapping.fit_beats import Tracked
from symbolic.mapping.chords import chords_of
from symbolic.music.notes import Music, note_array


def test_chords_lie_on_beats_between_them_or_outside():
    music = Music(note_array(np.arange(8) * 240, 200, 60), 480)  # every quarter of a second
    found = Tracked("piece", chords_of(music), np.array([0.27, 0.75, 1.25, 1.6]), np.array([1, 0, 0, 1]) > 0)
    assert found.place.tolist() == [-1, 2, 0, 1, 0, 1, 0, -1]
    # The chord of the last beat is too far away to be matched.
    assert found.following.tolist() == [-1, 3, -1, 5, -1, -1, -1, -1]
