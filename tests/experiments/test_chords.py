"""Truth for the model of chords: what accompaniments play and analysts write, and how it is scored by time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from experiments.chords import above, paces, score
from experiments.stated_chords import Song, analysed, played
from symbolic.features.onsets import times
from symbolic.music.notes import Music, note_array
from symbolic.predict.tonality import TONAL_CLASSES, tonal_labels
from symbolic.tokens.tokenizer import Tokenizer
from symbolic.tokens.vocabulary import Vocabulary


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


def test_an_analysis_begins_with_its_score(tmp_path: Path) -> None:
    path = tmp_path / "analysis.rntxt"
    path.write_text(
        "Composer: A\nTitle: B\nTime Signature: 4/4\n\nm0 b4 C: I\nm1 V7 b3 vi\nm2 viio6 b2 I6/4 b3 I\n",
        encoding="utf-8",
    )
    # The score has its upbeat at the end of a full bar.
    music = Music(note_array(np.arange(3, 11) * 480, 480, np.full(8, 60)), resolution=480)
    times, names = analysed(path, music)
    assert names == ["C:maj", "G:7", "A:min", "B:dim", "C:maj", "C:maj"]
    assert times[0] == (1.5, 2.0)
    assert times[-1] == (5.0, 5.5)
    longer = Music(note_array(np.arange(3, 40) * 480, 480, np.full(37, 60)), resolution=480)
    assert analysed(path, longer) == ([], [])


def test_songs_are_read_twice_as_fast_too() -> None:
    music = accompanied()
    tokens, labels = Tokenizer().encode(music), np.arange(len(music)) % 24
    song = Song("", "train", music, tokens, labels[tokens.note_index], ([], []), 0, np.zeros(0))
    (_, own), (fast, found) = paces(song)
    onset, _, pitch = times(fast)
    known = {
        (int(n["onset"]) // 2, int(n["pitch"])): label for n, label in zip(music.notes, labels, strict=True)
    }
    quarter = Vocabulary().positions_per_quarter
    got = {(at * 480 // quarter, one): label for at, one, label in zip(onset, pitch, found, strict=True)}
    assert got == known
    assert sorted(own) == sorted(found)


def test_a_model_is_above_another_by_pieces() -> None:
    gap = above(np.array([0.9, 0.8, 0.7]), np.array([0.8, 0.7, 0.6]))
    assert gap[:3] == pytest.approx((0.1, 0.1, 0.1))
    assert gap.p == 0
