from dataclasses import replace

import numpy as np
import pytest
from made import tune

from data.fingerprint import note_fingerprint
from symbolic.music.files import read_music
from symbolic.music.midi.writer import write_midi
from symbolic.music.notes import DRUM_PROGRAM, Music, note_array


def chords(shift=0):
    """Two tracks that sound together, so that ties in onset matter."""
    return Music(
        note_array(
            np.repeat(np.arange(12) * 240, 3),
            240,
            np.tile([48, 60, 64], 12) + np.repeat(np.arange(12), 3) + shift,
            80,
            0,
            np.tile([1, 0, 0], 12),
        ),
        480,
        tracks=("right", "left"),
    )


def changed(music, **columns):
    notes = music.notes.copy()
    for name, values in columns.items():
        notes[name] = values
    return music.with_notes(notes)


@pytest.mark.parametrize("semitones", [-11, -1, 1, 11])
def test_a_transposed_copy_has_the_same_fingerprint(semitones):
    assert note_fingerprint(chords(semitones)) == note_fingerprint(chords())
    assert note_fingerprint(tune(3, shift=semitones)) == note_fingerprint(tune(3))


def test_all_that_is_not_pitch_or_order_is_ignored():
    music, wanted = chords(), note_fingerprint(chords())
    backwards = music.with_notes(music.notes[::-1].copy())
    drums = note_array([0, 480], 10, [36, 38], 100, DRUM_PROGRAM)
    variants = {
        "velocity": changed(music, velocity=1),
        "duration": changed(music, duration=1),
        "program": changed(music, program=40),
        "track": changed(music, track=0),
        "order of notes": backwards,
        "tempo": replace(music, tempos=np.array([[0.0, 60.0], [100.0, 200.0]])),
        "metre": replace(music, time_signatures=np.array([[0, 3, 4]])),
        "resolution": replace(changed(music, onset=music.notes["onset"] * 2), resolution=960),
        "drums": music.with_notes(np.concatenate([drums, music.notes])),
    }
    assert {name: note_fingerprint(variant) == wanted for name, variant in variants.items()} == dict.fromkeys(
        variants, True
    )


def test_a_note_more_less_or_elsewhere_changes_it():
    music, seen = chords(), note_fingerprint(chords())
    moved = changed(music, onset=np.where(np.arange(36) == 5, 10_000, music.notes["onset"]))
    others = [music.with_notes(music.notes[1:]), moved, tune(1), tune(2), tune(1, notes=23)]
    prints = [note_fingerprint(other) for other in others]
    assert seen not in prints
    assert len(set(prints)) == len(prints)


def test_drums_alone_are_hashed_by_their_keys():
    assert note_fingerprint(tune(1, drums=True)) != note_fingerprint(tune(1, shift=1, drums=True))
    assert note_fingerprint(tune(1, drums=True)) != note_fingerprint(tune(1))


def test_a_file_gives_the_number_that_is_pinned(tmp_path):
    # Checkpoints and split tables carry these numbers: they must never change.
    write_midi(chords(), tmp_path / "a.mid")
    assert note_fingerprint(read_music(tmp_path / "a.mid")) == note_fingerprint(chords())
    assert note_fingerprint(chords()) == -4827220819953374974
    assert note_fingerprint(Music(note_array([], [], []), 480)) == -8811636309222128540
