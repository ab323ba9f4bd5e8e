"""The bundled melody model on tunes that are set by hand, in textures that no corpus has."""

import numpy as np
import pytest

import symbolic
from symbolic.music.notes import Music, note_array

JOY = "64 64 65 67 67 65 64 62 60 60 62 64 64 62 62 . 64 64 65 67 67 65 64 62 60 60 62 64 62 60 60 ."
MOON = "60 60 60 62 64 . 62 . 60 64 62 62 60 . . . 62 62 62 62 57 . 57 . 62 60 59 57 55 . . ."
TUNES = {
    "joy": (JOY, (0, 0, 7, 0, 0, 7, 7, 0)),
    "moon": (MOON, (0, 7, 0, 0, 7, 5, 2, 7)),
}
"""A pitch a beat, a dot where it is held; and the root of each bar above C."""
BEAT = 480
ROUNDS = 3
"""Times that a tune is played."""


def tune(name, shift=0):
    """(onset, duration, pitch) of a tune, played several times."""
    names, found = TUNES[name][0].split(), []
    for beat, pitch in enumerate(names * ROUNDS):
        if pitch == ".":
            found[-1][1] += BEAT
        else:
            found.append([beat * BEAT, BEAT, int(pitch) + shift])
    return np.array(found)


def triads(name, lowest):
    """(bar, three pitches) of its chords, from a pitch upwards."""
    for bar, root in enumerate(TUNES[name][1] * ROUNDS):
        third = 3 if root in (2, 9) else 4
        yield bar, sorted(lowest + (root + step - lowest) % 12 for step in (0, third, 7))


def broken(name, lowest):
    """Chords in eighths, up and down."""
    order = (0, 1, 2, 1)
    return np.array(
        [
            (bar * 4 * BEAT + place * BEAT // 2, BEAT // 2, chord[order[place % 4]])
            for bar, chord in triads(name, lowest)
            for place in range(8)
        ]
    )


def held(name, lowest):
    """Chords that last a bar."""
    return np.array(
        [(bar * 4 * BEAT, 4 * BEAT, pitch) for bar, chord in triads(name, lowest) for pitch in chord]
    )


def f1(parts, melody):
    """F1 of the melody that is found in parts, each on its track."""
    notes = [note_array(*part.T, 80, 0, track) for track, part in enumerate(parts)]
    music = Music(np.concatenate(notes), BEAT, tracks=("",) * len(parts))
    found = symbolic.load("melody")(music)
    answered = np.array(found.labels) == "melody"
    wanted = np.isin(found.music.notes["track"], melody)
    return 2 * (answered & wanted).sum() / (answered.sum() + wanted.sum())


@pytest.mark.parametrize("name", TUNES)
def test_a_tune_above_broken_chords(name):
    assert f1([tune(name, 12), broken(name, 48)], [0]) > 0.9


@pytest.mark.parametrize("name", TUNES)
def test_a_tune_in_the_left_hand_under_broken_chords(name):
    assert f1([broken(name, 67), tune(name, -12)], [1]) > 0.9


@pytest.mark.parametrize("name", TUNES)
def test_a_tune_between_held_chords_and_a_bass(name):
    bass = np.array([(bar * 4 * BEAT, 4 * BEAT, chord[0]) for bar, chord in triads(name, 36)])
    assert f1([held(name, 67), tune(name, -12), bass], [1]) > 0.9


@pytest.mark.parametrize("name", TUNES)
def test_a_tune_in_octaves(name):
    high = tune(name, 12)
    octaves = np.concatenate([high, np.add(high, [0, 0, 12])])
    assert f1([octaves, broken(name, 48)], [0]) > 0.9
