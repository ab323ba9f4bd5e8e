"""How the map between scores and performances is measured."""

from pathlib import Path

import numpy as np
import pytest

from data.corpora.base import Piece
from experiments.mapping import quantised, summarised, tracked
from finetune.mapping.examples import Example
from finetune.mapping.fit import playing_targets, rows_of
from symbolic.mapping.beats import Beats
from symbolic.mapping.features import TICKS, performed
from symbolic.mapping.quantisation import PLACES, VALUES, Rules


@pytest.fixture
def example():
    """A scale of eighths at 120 beats a minute, each note 10 ms late and half as long as written."""
    place = np.arange(40) / 2
    onset = place / 2 + 0.01
    pitch = 60 + np.arange(40) % 8
    beats = np.arange(30) * 0.5
    notes = performed(onset, onset + 0.125, pitch, 50 + np.arange(40), beats)
    at = np.arange(2, 39)  # the last note has no next one
    of_all = np.ones(37)
    return Example(
        Piece("a", "a.mid"), notes, at, at, np.round(place * TICKS).astype(int)[at], of_all / 2, at * 0, 4 * of_all,
        of_all, Path("a.xml"),
    )  # fmt: skip


def test_notes_in_their_places_are_right(example):
    measures = ("onset", "value", "staff", "staff kept in lines")
    assert quantised(example, Rules(), "rules") == {f"{one}, rules": 1 for one in measures}


def test_beats_at_half_the_pace_are_half_right():
    times = np.arange(100) * 0.5
    true = Beats(times, np.arange(100) % 4 == 0)
    found = tracked(true, Beats(times[::2], np.arange(50) % 2 == 0), "it")
    assert found["beats found, F, it"] == pytest.approx(2 / 3, abs=0.01)
    assert found["downbeats found, F, it"] == 1
    assert found["beats of a bar found, it"] == 0


def test_targets_of_playing_are_what_was_played(example):
    velocity, period, timing, length = playing_targets(example).T
    assert velocity.mean() == pytest.approx(0)
    assert period == pytest.approx(0)
    assert timing == pytest.approx(0.01)
    assert length == pytest.approx(-1)


def test_rows_to_learn_from_have_classes(example):
    found = rows_of(example)
    assert set(PLACES[found["places"][1]]) == {0, 12}
    assert set(VALUES[found["value"][1]]) == {12}
    assert all(len(features) == len(classes) == 37 for features, classes in found.values())


def test_means_have_intervals_over_pieces():
    record, found = summarised([{"onset": 0.5, "found": 1.0}, {"onset": 1.0, "found": 1.0}])
    assert record["mean"] == 0.75
    assert record["interval"] == [0.5, 1.0]
    assert record["pieces"] == 2
    assert found["interval"][0] < 0.5  # two of two prove little
