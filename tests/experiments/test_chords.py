"""Truth for the model of chords: what an accompaniment plays, and how it is scored by time."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.chords import Song, played, score
from symbolic.music.notes import Music, note_array
from symbolic.predict.tonality import TONAL_CLASSES, tonal_labels
from symbolic.tokens.tokenizer import Tokenizer


def accompanied() -> Music:
    """A tune on the first track; C, a bass note, d minor and a cluster on the second. A beat is half a second."""
    tune = note_array(np.arange(8) * 480, 480, np.array([72, 76, 79, 76, 74, 77, 81, 77]))
    onsets = [0, 0, 0, 960, 1920, 1920, 1920, 2880, 2880, 2880]
    chords = note_array(np.array(onsets), 480, np.array([48, 52, 55, 43, 50, 53, 57, 60, 61, 62]))
    chords["track"] = 1
    return Music(np.concatenate([tune, chords]), resolution=480)


def test_chords_of_the_second_track_last_until_the_next() -> None:
    times, names = played(accompanied())
    assert names == ["C:maj", "D:min"]
    assert np.allclose(times, [(0, 2), (2, 3.5)])
    alone = accompanied()
    assert played(alone.with_notes(alone.notes[alone.notes["track"] == 0])) == ([], [])


def test_right_chords_score_by_time() -> None:
    pytest.importorskip("mir_eval")
    music = accompanied()
    tokens = Tokenizer().encode(music)
    song = Song("", "test", music, tokens, np.zeros(0), played(music), 0, music.seconds(music.notes["onset"]))
    notes = music.notes[tokens.note_index]

    def answer(later: int) -> np.ndarray:
        key = np.where(notes["onset"] < 1920, 0, later)
        return np.eye(len(TONAL_CLASSES))[tonal_labels(notes["pitch"], key)]

    assert score(song, answer(2 + 12)) == [1.0, 1.0]
    assert score(song, answer(2)) == pytest.approx([2 / 3.5, 1.0])
    assert score(song, answer(7)) == pytest.approx([2 / 3.5, 2 / 3.5])
