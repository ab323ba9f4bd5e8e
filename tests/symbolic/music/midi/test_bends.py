"""Notes off twelve-tone pitch: bends are read as cents and come back as bends that move nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from symusic import ControlChange, Note, PitchBend, Score, Track

from symbolic.music.midi.reader import from_symusic, parse_midi
from symbolic.music.midi.writer import midi_bytes
from symbolic.music.notes import DRUM_PROGRAM, Music, note_array


def bent(bends, controls=(), onsets=(0, 480)):
    """The cents of two notes of 240 ticks."""
    score, track = Score(480), Track()
    track.notes.extend([Note(at, 240, 60, 64) for at in onsets])
    track.pitch_bends.extend([PitchBend(*one) for one in bends])
    track.controls.extend([ControlChange(*one) for one in controls])
    score.tracks.append(track)
    return from_symusic(score).notes["cents"].tolist()


def heard(music):
    """The notes as a file gives them back, without their tracks."""
    found = parse_midi(midi_bytes(music), "made")
    return sorted(found.notes[["onset", "pitch", "program", "duration", "cents"]].tolist()), found


def test_a_note_has_the_median_of_its_bends():
    assert bent([(480, -1700), (700, 4096)]) == [0, -42]
    assert bent([(0, 4096), (100, 0)]) == [0, 0]  # slides to its pitch
    assert bent([(0, 4096), (140, 0)]) == [100, 0]
    assert bent([(10, -1000), (20, 8000), (40, 1000), (50, 0)]) == [0, 0]
    assert bent([(480 + 10 * k, (-1) ** k * 1000) for k in range(1, 24)])[0] == 0
    assert abs(bent([(480 + 10 * k, round(1000 * np.sin(k))) for k in range(1, 24)])[1]) <= 3  # vibrato
    assert bent([(240, 4096), (479, 0)]) == [0, 0]  # between notes
    assert bent([(0, -8192), (480, 8191)]) == [-200, 200]
    assert bent([]) == [0, 0]


def test_the_range_of_bends_is_that_of_the_file():
    twelve = [(0, 101, 0), (0, 100, 0), (0, 6, 12), (0, 38, 0)]
    assert bent([(0, 4096)], twelve) == [600, 600]
    assert bent([(0, 4096)], [(at + 480, number, value) for at, number, value in twelve]) == [100, 600]
    other = [(0, 101, 0), (0, 100, 1), (0, 6, 12)]  # fine tuning
    assert bent([(0, 4096)], other) == [100, 100]


def test_drums_have_no_cents():
    score, track = Score(480), Track(is_drum=True)
    track.notes.append(Note(0, 240, 36, 64))
    track.pitch_bends.append(PitchBend(0, 4096))
    score.tracks.append(track)
    assert from_symusic(score).notes["cents"].tolist() == [0]


@pytest.mark.parametrize(
    "cents", [(0, -42, 38, 0), (-1, 1, 50, -50), (200, -200, 199, 5), (2399, -2400, 7, 0)]
)
def test_cents_come_back_from_a_file(cents):
    music = Music(note_array(np.arange(4) * 480, 480, [60, 62, 64, 60], cents=cents), 480)
    notes, found = heard(music)
    assert [note[-1] for note in notes] == list(cents)
    assert len(found.tracks) == 1


def test_a_bend_moves_no_other_sounding_note():
    # A held note, a chord of one tuning over it, another tuning after it, and a second instrument with none.
    onset, duration, pitch = (0, 0, 0, 480, 0), (960, 480, 480, 480, 960), (60, 64, 67, 64, 72)
    notes = note_array(onset, duration, pitch, program=(0, 0, 0, 0, 40), cents=(0, -33, -33, 50, 0))
    found, read = heard(Music(notes, 480, tracks=("oud",)))
    assert found == sorted(notes[["onset", "pitch", "program", "duration", "cents"]].tolist())
    assert read.tracks == ("oud", "oud", "oud")


def test_bends_of_a_shared_channel_are_left_out():
    programs = [*range(16), DRUM_PROGRAM]
    notes = note_array(0, 480, 60, program=programs, track=range(17), cents=[30] * 16 + [0])
    found, _ = heard(Music(notes, 480))
    assert {program: cents for _, _, program, _, cents in found} == {
        **dict.fromkeys(range(1, 15), 30),
        **dict.fromkeys((0, 15, DRUM_PROGRAM), 0),
    }


def test_music_without_cents_is_written_without_bends():
    assert not Score.from_midi(midi_bytes(Music(note_array(0, 480, 60), 480))).tracks[0].controls
