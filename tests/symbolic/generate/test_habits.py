"""Habits of a track: what a random model writes has the positions and the legato of the other bars."""

from __future__ import annotations

import numpy as np
import pytest

from symbolic.generate.habits import _moved, gaps
from symbolic.generate.sampling import Sampling, log_softmax
from symbolic.music.notes import Music, note_array
from symbolic.tokens.tokenizer import Tokenizer
from symbolic.tokens.vocabulary import POSITION, RESERVED

BARS = 24


def steady(length: int) -> Music:
    """A note on the first and the third beat of each bar, as long as a number of ticks of 960."""
    onset = np.arange(2 * BARS) * 960
    return Music(note_array(onset, length, 60 + np.arange(2 * BARS) % 5), 480)


@pytest.mark.parametrize("length", [240, 960])
def test_notes_begin_and_last_as_elsewhere_in_their_track(nano, length):
    music = steady(length)
    (variant,) = nano.infill(music, (9, 16), sampling=Sampling(steps=3))
    written = variant.music.with_notes(variant.notes)
    position = Tokenizer()(written).ids[:, POSITION].astype(int) - RESERVED
    assert np.isin(position, [0, 32]).mean() > 0.7
    onset, lasting = written.notes["onset"], written.notes["duration"]
    gap = gaps(onset, variant.music.notes["onset"], 16 * 1920)
    legato = lasting / gap
    assert (np.median(legato) == 1) if length == 960 else (np.median(legato) < 0.5)


def test_notes_are_as_loud_as_others_of_their_register(nano):
    onset = np.repeat(np.arange(2 * BARS) * 960, 2)
    high = np.tile([True, False], 2 * BARS)
    pitch = np.where(high, 76, 48) + np.arange(len(onset)) % 7
    music = Music(note_array(onset, 480, pitch, np.where(high, 104, 48)), 480)
    (variant,) = nano.infill(music, (9, 16), fields=["velocity"])
    written = variant.notes
    upper = written["pitch"] >= 76
    assert written["velocity"][upper].mean() > written["velocity"][~upper].mean() + 25


def test_notes_are_as_loud_as_bars_near_them(nano):
    onset = np.arange(4 * 2 * BARS) * 480
    loud = onset >= BARS * 1920
    music = Music(note_array(onset, 480, 60 + np.arange(len(onset)) % 5, np.where(loud, 104, 48)), 480)
    early, late = (
        nano.infill(music, (first, first + 3), fields=["velocity"])[0].notes["velocity"].mean()
        for first in (5, 2 * BARS - 8)
    )
    assert late > early + 10


def test_classes_have_their_shares_on_average():
    logits, classes = np.random.default_rng(0).normal(size=(40, 6)), np.tile([0, 0, 1, 1, 2, 2], (40, 1))
    counts = np.array([500, 300, 200])
    probability = np.exp(log_softmax(logits + _moved(logits, classes, counts)))
    share = [probability[:, [low, low + 1]].sum(axis=1).mean() for low in (0, 2, 4)]
    assert share == pytest.approx([0.5, 0.3, 0.2], abs=0.01)


def test_values_that_are_not_allowed_stay_so():
    logits = np.array([[0.0, -np.inf, 0.0], [-np.inf, 0.0, -np.inf]])
    moved = logits + _moved(logits, np.tile(np.arange(3), (2, 1)), np.array([9, 9, 0]))
    assert np.isneginf(moved).tolist() == [[False, True, False], [True, False, True]]
    assert np.isfinite(moved).sum() == 3


def test_gaps_reach_the_next_later_onset_or_the_end():
    assert gaps(np.array([0, 0, 4, 9]), np.array([0, 0, 4, 9]), 16).tolist() == [4, 4, 5, 7]
    assert gaps(np.array([3]), np.array([3]), 2).tolist() == [1]
