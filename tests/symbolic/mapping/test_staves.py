"""Staves of lines."""

import numpy as np

from symbolic.mapping.features import performed
from symbolic.mapping.staves import continued, smoothed


def two_lines(notes=12):
    """A line around C5 and one around C3, a note of each at every beat."""
    onset = np.repeat(np.arange(notes) * 0.5, 2)
    pitch = np.column_stack([48 + np.arange(notes) % 3, 72 - np.arange(notes) % 3]).ravel()
    return performed(onset, onset + 0.4, pitch, np.full(len(pitch), 64), np.arange(notes + 1) * 0.5)


def test_a_note_continues_the_nearest_one():
    before, far = continued(two_lines())
    assert before.tolist() == [-1, -1, *range(22)]
    assert np.isinf(far[:2]).all()
    assert far[2] == 7  # a semitone and a beat


def test_a_doubtful_note_keeps_the_staff_of_its_line():
    notes = two_lines()
    odds = np.where(notes.pitch < 60, 3.0, -3.0)
    odds[[8, 13]] = [-0.5, 0.5]
    before, far = continued(notes)
    assert (smoothed(odds, before, far) == (notes.pitch < 60)).all()
    assert (smoothed(odds, before, far, 0.0) == (odds > 0)).all()
    odds[8] = -20  # what is certain stays
    assert smoothed(odds, before, far)[8] == 0


def test_staves_are_found_exactly():
    random = np.random.default_rng(0)
    notes = two_lines(5)
    before, far = continued(notes)
    for _ in range(20):
        odds = random.normal(0, 2, 10)
        every = (np.arange(1024)[:, None] >> np.arange(10)) & 1
        linked = np.flatnonzero(before >= 0)
        same = every[:, linked] == every[:, before[linked]]
        gain = every @ odds + same @ (3.0 / (1 + far[linked] / 6))
        assert smoothed(odds, before, far).tolist() == every[gain.argmax()].tolist()
