"""MIDI is written only under names that readers do not take for scores."""

from __future__ import annotations

import pytest

import symbolic
from symbolic.errors import MusicFileError
from symbolic.music.notes import Music, note_array


@pytest.fixture(scope="module")
def music() -> Music:
    return Music(note_array(range(0, 3200, 100), 100, [60, 64, 67, 72] * 8), 100)


@pytest.fixture(scope="module")
def written(music):
    """What has a method `write`, by name."""
    return {
        "music": music,
        "predictions": symbolic.load("key")(music),
        "variant": symbolic.load("infill").infill(music, bars=(3, 4))[0],
    }


@pytest.mark.parametrize("kind", ["music", "predictions", "variant"])
@pytest.mark.parametrize("name", ["a.krn", "a.abc", "a.KRN"])
def test_midi_is_not_written_under_the_name_of_a_score(written, kind, name, tmp_path):
    with pytest.raises(MusicFileError, match="it would be a MIDI file"):
        written[kind].write(tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a.musicxml", "a.mxl", "a.xml"])
def test_music_is_not_written_as_musicxml(music, name, tmp_path):
    with pytest.raises(MusicFileError, match=r"it would be a MIDI file.*end in \.mid"):
        music.write(tmp_path / name)


@pytest.mark.parametrize("name", ["a.mid", "a.KAR", "a.txt", "a", "a.b c"])
def test_other_names_are_free(music, name, tmp_path):
    music.write(tmp_path / name)
    assert (tmp_path / name).read_bytes()[:4] == b"MThd"
