"""Intervals of a piece: what a random model writes has those of the other bars."""

from __future__ import annotations

import numpy as np
import pytest

from symbolic.generate.intervals import _interval, _neighbours, _scaled
from symbolic.generate.sampling import Sampling, log_softmax
from symbolic.music.notes import DRUM_PROGRAM, Music, note_array

BARS = 24
BAR = 1920


def written(model, music, **options):
    """Notes of the variants of bars 9 to 16."""
    variants = model.infill(music, (9, 16), number=4, sampling=Sampling(steps=8), **options)
    return [one.notes for one in variants]


def chords(second: int) -> Music:
    """Two notes on each beat, so many semitones apart, in all registers of two octaves."""
    beats = np.arange(4 * BARS)
    low = 48 + beats * 7 % 24
    notes = [note_array(beats * 480, 480, pitch, 64) for pitch in (low, low + second)]
    return Music(np.concatenate(notes), 480)


@pytest.mark.parametrize("apart", [4, 7])
def test_chords_have_the_intervals_of_the_other_bars(nano, apart):
    found = []
    for notes in written(nano, chords(apart), fields=["pitch"]):
        order = np.lexsort((notes["pitch"], notes["onset"]))
        pitch = notes["pitch"][order].reshape(-1, 2).astype(int)
        found += (pitch[:, 1] - pitch[:, 0]).tolist()
    assert np.mean(np.array(found) == apart) > 0.5
    assert np.mean(np.array(found) < 3) < 0.1


def test_a_line_repeats_its_notes_where_the_others_do(nano):
    onset = np.arange(4 * BARS) * 480
    steady = Music(note_array(onset, 480, 60, 64), 480)
    moving = Music(note_array(onset, 480, 60 + np.arange(4 * BARS) * 5 % 12, 64), 480)
    same = [
        np.mean([np.mean(np.diff(notes["pitch"].astype(int)) == 0) for notes in written(nano, music)])
        for music in (steady, moving)
    ]
    assert same[0] > 0.3 > 0.05 > same[1]  # chance is below 0.01; the first ones have no neighbours yet


def test_a_figure_comes_again_in_the_next_bar(nano):
    """Four notes that are the same in all bars."""
    onset = np.arange(4 * BARS) * 480
    music = Music(note_array(onset, 480, np.tile([48, 62, 55, 69], BARS), 64), 480)
    pitches = [notes["pitch"].reshape(-1, 4) for notes in written(nano, music, fields=["pitch"])]
    assert np.mean([(pitch[1:] == pitch[:-1]).mean() for pitch in pitches]) > 0.2  # chance is below 0.01


def test_drums_and_few_notes_have_no_intervals(nano):
    drums = Music(note_array(np.arange(40) * 480, 240, 36 + np.arange(40) % 5, 64, DRUM_PROGRAM), 480)
    few = Music(note_array(np.arange(9) * BAR, 480, 60 + np.arange(9), 64), 480)
    for music in (drums, few):
        (variant,) = nano.infill(music, (2, 3))
        assert len(variant.notes)


def test_pairs_are_notes_together_beside_each_other_and_a_bar_apart():
    onset, track = np.array([0, 0, 0, 1, 4, 4]), np.array([0, 0, 1, 0, 0, 1])
    together, beside, apart = _neighbours(
        onset, onset, track, np.array([0, 3]), np.array([1, 1, 1, 1, 1, 1], bool)
    )
    assert sorted(zip(*together, strict=True)) == [(0, 1), (0, 2)]
    assert sorted(zip(*beside, strict=True)) == [(0, 3), (1, 0), (1, 1), (1, 4)]
    assert not len(apart[0])
    bars = np.array([0, 0, 0, 1, 1 << 16, 1 << 16])
    *_, apart = _neighbours(onset, bars, track, np.array([0, 3]), np.array([1, 1, 1, 1, 1, 1], bool))
    assert sorted(zip(*apart, strict=True)) == [(0, 4)]


def test_wide_intervals_count_without_octaves():
    apart = np.array([0, 1, 12, 13, 24, 25, 36, 37, 60])
    assert _interval(apart, np.zeros(9, int)).tolist() == [0, 1, 12, 13, 24, 13, 24, 13, 24]
    assert _interval(np.array([60]), np.array([67])).tolist() == [7]


def test_intervals_have_their_shares_on_average():
    random = np.random.default_rng(0)
    logits, classes = random.normal(size=(200, 6)), random.integers(0, 3, (200, 6))
    met = np.zeros((200, 6, 1, 3), dtype=np.float32)
    np.put_along_axis(met[:, :, 0], classes[..., None], 1, axis=2)
    counts = np.array([[5000.0, 3000.0, 2000.0]])
    probability = np.exp(log_softmax(logits + _scaled(logits, met, counts)))
    share = [(probability * (classes == one)).sum() / 200 for one in range(3)]
    assert share == pytest.approx([0.5, 0.3, 0.2], abs=0.02)


def test_pitches_that_are_not_allowed_stay_so():
    logits = np.array([[0.0, -np.inf, 0.0]])
    met = np.zeros((1, 3, 1, 2), dtype=np.float32)
    met[0, [0, 1, 2], 0, [0, 1, 0]] = 1
    moved = logits + _scaled(logits, met, np.array([[9.0, 90.0]]))
    assert np.isneginf(moved).tolist() == [[False, True, False]]
    assert np.isfinite(moved[:, [0, 2]]).all()
