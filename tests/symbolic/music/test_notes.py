import numpy as np
import pytest
from hypothesis import given
from synthetic import musics, unruly

from symbolic.music.notes import DRUM_PROGRAM, Music, note_array


def test_scalars_are_repeated():
    notes = note_array([0, 10], 5, [60, 61], program=DRUM_PROGRAM)
    assert notes["duration"].tolist() == [5, 5]
    assert notes["velocity"].tolist() == [64, 64]
    assert Music(notes, 480).drums.all()


def test_no_notes():
    music = Music(note_array([], [], []), 480)
    assert len(music) == 0
    assert music.drums.shape == music.seconds(music.notes["onset"]).shape == (0,)


@pytest.mark.parametrize(
    ("column", "value"),
    [("onset", -1), ("duration", -1), ("pitch", 128), ("velocity", 128), ("program", 129), ("track", 2**16)],
)
def test_a_value_that_midi_forbids_is_refused_by_name(column, value):
    columns = {"onset": 0, "duration": 1, "pitch": 60, column: value}
    with pytest.raises(ValueError, match=column):
        note_array(**columns)


def test_columns_of_unequal_length_are_refused():
    with pytest.raises(ValueError, match="shape"):
        note_array([0, 1], 1, [60, 61, 62])


def test_seconds_add_up_over_tempo_changes():
    tempos = np.array([[0, 120.0], [480, 60.0], [960, 240.0]])
    music = Music(note_array([], [], []), 480, tempos=tempos)
    ticks = np.array([0, 240, 480, 720, 960, 1440])
    assert music.seconds(ticks) == pytest.approx([0, 0.25, 0.5, 1.0, 1.5, 1.75])


def test_before_the_first_tick_the_first_tempo_holds():
    music = Music(note_array([], [], []), 480, tempos=np.array([[0, 60.0], [480, 240.0]]))
    assert music.seconds(np.array([-960, -480, 0, 480])) == pytest.approx([-2, -1, 0, 1])


def test_seconds_without_tempo_are_those_of_120():
    music = Music(note_array([], [], []), 480, tempos=np.empty((0, 2)))
    assert music.seconds(np.array([960])) == pytest.approx([1.0])


@given(musics())
def test_seconds_never_run_backwards(music):
    assert (np.diff(music.seconds(np.arange(0, 20_000, 97))) > 0).all()


def test_with_notes_keeps_the_rest():
    music = unruly(0)
    other = music.with_notes(music.notes[:3])
    assert len(other) == 3
    assert other.time_signatures is music.time_signatures
    assert other.tracks == music.tracks
