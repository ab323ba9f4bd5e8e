"""Bars and beats of times, under changing and compound time signatures."""

import numpy as np
import pytest

from symbolic.music.bars import bar_lines, beats
from symbolic.music.notes import Music, note_array

CUT_SHORT = [[0, 3, 4], [3 * 480 + 480, 6, 8]]  # a bar, and one cut short after a beat


def silence(resolution, time_signatures):
    return Music(note_array([], [], []), resolution, np.array(time_signatures).reshape(-1, 3))


def test_bars_and_beats_follow_the_time_signature():
    ticks = np.array([0, 959, 960, 1440, 1919, 1920, 1920 + 360, 1920 + 719, 1920 + 720, 1920 + 1440])
    bar, beat = beats(silence(480, CUT_SHORT), ticks)
    assert bar.tolist() == [1, 1, 1, 2, 2, 3, 3, 3, 3, 4]
    assert np.floor(beat).tolist() == [1, 2, 3, 1, 1, 1, 1, 1, 2, 1]
    assert beat[6] == 1.5


@pytest.mark.parametrize(
    ("resolution", "time_signatures"),
    [(480, CUT_SHORT), (480, []), (1, [[0, 3, 8]]), (480, [[960, 2, 4], [960, 5, 8], [50_000, 4, 4]])],
)
def test_a_bar_line_stands_where_a_bar_begins(resolution, time_signatures):
    music = silence(resolution, time_signatures)
    lines = bar_lines(music, 9999)
    bar, beat = beats(music, np.ceil(lines).astype(np.int64))
    assert lines[0] == 0
    assert lines[-1] < 9999
    assert bar.tolist() == list(range(1, len(lines) + 1))
    assert (beat[lines % 1 == 0] == 1).all()
    assert beats(music, np.array([9998]))[0] == len(lines)


def test_an_empty_piece_has_one_bar():
    assert bar_lines(silence(480, []), 0).tolist() == [0]
