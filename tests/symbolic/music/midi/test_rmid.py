import struct

import pytest
from made import tune

from symbolic.errors import MusicFileError
from symbolic.music.files import read_music
from symbolic.music.midi.reader import parse_midi
from symbolic.music.midi.writer import write_midi


def chunk(name, content):
    return name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)


def riff(*chunks, kind=b"RMID"):
    return chunk(b"RIFF", kind + b"".join(chunks))


@pytest.fixture
def midi(tmp_path):
    write_midi(tune(1), tmp_path / "a.mid")
    return (tmp_path / "a.mid").read_bytes()


def test_midi_in_a_riff_container_is_read(midi, tmp_path):
    plain = parse_midi(midi, "plain").notes
    for name, wrapped in {
        "a.rmi": riff(chunk(b"data", midi)),
        "b.mid": riff(chunk(b"INFO", b"odd"), chunk(b"data", midi), chunk(b"DISP", b"title")),
    }.items():
        (tmp_path / name).write_bytes(wrapped)
        assert (read_music(tmp_path / name).notes == plain).all()


def test_a_wrapper_without_midi_is_refused_by_name(midi):
    for broken in (riff(chunk(b"INFO", b"x")), riff(chunk(b"data", midi), kind=b"WAVE"), b"RIFF"):
        with pytest.raises(MusicFileError, match=r"song\.rmi: not a readable MIDI file"):
            parse_midi(broken, "song.rmi")
