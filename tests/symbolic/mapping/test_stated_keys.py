"""Key signatures that a MIDI file states."""

import mido
import pytest

from symbolic.mapping.keys import stated_keys
from symbolic.music.files import read_music


def written(path, keys):
    file = mido.MidiFile(ticks_per_beat=480)
    track = file.add_track()
    for beats, key in keys:
        track.append(mido.MetaMessage("key_signature", key=key, time=480 * beats))
    track.append(mido.Message("note_on", note=60, velocity=64, time=0))
    track.append(mido.Message("note_off", note=60, time=480))
    file.save(path)
    return path


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ([(0, "Eb"), (4, "Am")], [(0.0, -3), (2.0, 0)]),
        ([(0, "F#m")], [(0.0, 3)]),
        ([(0, "C")], []),  # what programs write where nobody chose
        ([], []),
    ],
    ids=str,
)
def test_keys_are_those_of_the_file(tmp_path, keys, expected):
    path = written(tmp_path / "a.mid", keys)
    assert stated_keys(path, read_music(path)) == expected


def test_other_files_state_none(tmp_path):
    path = written(tmp_path / "a.mid", [(0, "D")])
    music = read_music(path)
    (tmp_path / "b.mid").write_bytes(path.read_bytes()[:30])
    assert stated_keys(tmp_path / "b.mid", music) == []
    assert stated_keys(tmp_path / "absent.musicxml", music) == []
