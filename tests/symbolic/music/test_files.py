"""MIDI files, whole and broken."""

import os
import struct
from types import SimpleNamespace

import numpy as np
import pretty_midi
import pytest
import symusic
from hypothesis import given
from synthetic import line, musics, unruly

from symbolic.errors import MusicFileError
from symbolic.music.files import read_music
from symbolic.music.midi import reader as midi_files
from symbolic.music.midi.reader import parse_midi
from symbolic.music.midi.writer import to_symusic, write_midi
from symbolic.music.notes import DRUM_PROGRAM, NOTE, Music, note_array
from symbolic.tokens.tokenizer import Tokenizer
from symbolic.tokens.vocabulary import RESERVED, TEMPO, TIME_SIGNATURE, Vocabulary

VOC = Vocabulary()

NOTE_ON_OFF = b"\x00\x90\x3c\x40\x60\x80\x3c\x40"
TEMPO_60 = b"\xff\x51\x03\x0f\x42\x40"


def chunk(name, content):
    return name + struct.pack(">I", len(content)) + content


def midi(*tracks, kind=1, division=480):
    """The bytes of a MIDI file whose tracks hold these events."""
    header = chunk(b"MThd", struct.pack(">HHH", kind, len(tracks), division))
    return header + b"".join(chunk(b"MTrk", events + b"\x00\xff\x2f\x00") for events in tracks)


def tidy(seed):
    """Unruly music without what MIDI cannot hold: overlapping notes of one pitch and track, notes without length."""
    music = unruly(seed, notes=80)
    notes = music.notes
    notes["duration"] = np.clip(notes["duration"], 1, 50)
    notes["velocity"] = np.maximum(notes["velocity"], 1)
    notes["onset"] = np.random.default_rng(seed).permutation(len(notes)) * 60
    time_signatures = [(tick, n, d) for tick, n, d in music.time_signatures.tolist() if d != 6]
    return Music(notes, music.resolution, np.array([(0, 3, 4), *time_signatures]), music.tempos, music.tracks)


def ordered(notes, *names):
    return np.sort(notes[[*names]], order=names).tolist()


class TestRoundTrip:
    @pytest.mark.parametrize("seed", range(5))
    def test_midi_keeps_what_music_holds(self, tmp_path, seed):
        music = tidy(seed)
        write_midi(music, tmp_path / "a.mid")
        back = read_music(tmp_path / "a.mid")
        names = ("onset", "duration", "pitch", "velocity", "program")
        assert ordered(back.notes, *names) == ordered(music.notes, *names)
        assert back.resolution == music.resolution
        assert back.time_signatures.tolist() == music.time_signatures.tolist()
        assert back.tempos[-1] == pytest.approx(music.tempos[-1], rel=1e-4)
        np.testing.assert_array_equal(Tokenizer().encode(back).ids, Tokenizer().encode(music).ids)
        assert back.repairs == ()

    @given(musics())
    def test_what_was_read_is_written_alike(self, tmp_path_factory, music):
        path = tmp_path_factory.mktemp("midi") / "a.mid"
        write_midi(music, path)
        assert len(read_music(path)) == len(music)

    @pytest.mark.parametrize("program", [0, DRUM_PROGRAM])
    def test_more_tracks_than_channels(self, tmp_path, program):
        write_midi(line(range(40, 80), track=range(40), program=program), tmp_path / "a.mid")
        back = read_music(tmp_path / "a.mid")
        assert len(back.tracks) == 40
        assert back.notes["track"].tolist() == list(range(40))
        assert (back.notes["program"] == program).all()

    def test_names_of_tracks(self, tmp_path):
        music = Music(note_array([0, 0], 9, 60, track=[0, 1]), 480, tracks=("Flöte", "二胡"))
        write_midi(music, tmp_path / "a.mid")
        assert read_music(tmp_path / "a.mid").tracks == music.tracks

    @pytest.mark.parametrize(("column", "value"), [("duration", 0), ("velocity", 0)])
    def test_notes_that_midi_would_lose_are_kept(self, tmp_path, column, value):
        notes = note_array([0, 480], 480, 60)
        notes[column] = value
        write_midi(Music(notes, 480), tmp_path / "a.mid")
        assert read_music(tmp_path / "a.mid").notes[column].tolist() == [1, 1]

    @pytest.mark.parametrize(("onset", "resolution"), [(2**28, 480), (2**40, 480), (0, 2**15), (0, 0)])
    def test_what_midi_cannot_hold_is_refused(self, tmp_path, onset, resolution):
        with pytest.raises(MusicFileError, match="MIDI cannot hold"):
            write_midi(Music(note_array(onset, 1, 60), resolution), tmp_path / "a.mid")


@pytest.mark.parametrize("seed", range(4))
def test_pretty_midi_reads_the_same(tmp_path, seed):
    music = tidy(seed)
    write_midi(music, tmp_path / "a.mid")
    back = read_music(tmp_path / "a.mid")
    ends = back.notes["onset"] + back.notes["duration"]
    ours = np.stack(
        [back.seconds(back.notes["onset"]), back.seconds(ends), back.notes["pitch"], back.notes["velocity"]],
        axis=1,
    )
    theirs = np.array(
        [
            (note.start, note.end, note.pitch, note.velocity)
            for instrument in pretty_midi.PrettyMIDI(str(tmp_path / "a.mid")).instruments
            for note in instrument.notes
        ]
    )
    np.testing.assert_allclose(ours[np.lexsort(ours.T[::-1])], theirs[np.lexsort(theirs.T[::-1])], atol=1e-3)


class TestReading:
    def test_120_and_four_four_hold_before_the_first_changes(self):
        late = b"\x8f\x00" + TEMPO_60 + b"\x00\xff\x58\x04\x03\x02\x18\x08"  # at tick 1920
        music = parse_midi(midi(late + NOTE_ON_OFF, b"\x83\x60" + NOTE_ON_OFF[1:]), "late")
        assert music.time_signatures.tolist() == [[1920, 3, 4]]
        assert music.tempos.tolist() == [[1920, 60]]
        assert music.seconds(np.array([480, 1920, 2400])).tolist() == [0.5, 2, 3]
        ids = Tokenizer().encode(music).ids
        assert VOC.time_signatures[ids[:, TIME_SIGNATURE] - RESERVED].tolist() == [[4, 4], [3, 4]]
        assert VOC.tempos[ids[:, TEMPO] - RESERVED] == pytest.approx([120, 60], rel=0.03)

    def test_defaults_of_a_bare_file(self):
        music = parse_midi(midi(NOTE_ON_OFF), "bare")
        assert music.notes.tolist() == [(0, 96, 60, 64, 0, 0, 0)]
        assert music.time_signatures.tolist() == [[0, 4, 4]]
        assert music.tempos.tolist() == [[0, 120]]

    @pytest.mark.parametrize("tracks", [(), (b"",), (b"", b"")])
    def test_no_notes(self, tracks):
        music = parse_midi(midi(*tracks), "empty")
        assert len(music) == 0
        assert music.notes.dtype == NOTE

    @pytest.mark.parametrize("kind", [0, 1, 2])
    def test_tracks_of_every_type_are_read(self, kind):
        assert len(parse_midi(midi(NOTE_ON_OFF, NOTE_ON_OFF, kind=kind), "two")) == 2

    @pytest.mark.parametrize("tracks", [0, 1, 3])
    def test_notes_are_the_same_by_either_way_out_of_symusic(self, monkeypatch, tracks):
        # Where this fails, a new symusic pickles otherwise: still right, but slower.
        assert midi_files._pickles_memory()
        scattered = unruly(1)
        scattered.notes["track"] = np.arange(len(scattered)) % max(tracks, 1)
        music = scattered.with_notes(scattered.notes[: 0 if tracks == 0 else None])
        score = to_symusic(music, "made")
        quick = midi_files.from_symusic(score, "made")
        monkeypatch.setattr(midi_files, "_pickles_memory", lambda: False)
        for name in NOTE.names:
            np.testing.assert_array_equal(
                quick.notes[name], midi_files.from_symusic(score, "made").notes[name]
            )
        assert len(quick) == len(music)

    @pytest.mark.parametrize("onset", [-1, 2**31 - 10])
    def test_times_outside_of_midi_are_refused(self, onset):
        score = symusic.Score(480)
        score.tracks.append(symusic.Track())
        score.tracks[0].notes.append(symusic.Note(onset, 100, 60, 64))
        with pytest.raises(MusicFileError, match=r"2\^31 ticks"):
            midi_files.from_symusic(score, "made")

    def test_channels_of_one_track_are_distinguished(self):
        drum = NOTE_ON_OFF.replace(b"\x90", b"\x99").replace(b"\x80", b"\x89")
        music = parse_midi(midi(b"\x00\xc0\x28" + NOTE_ON_OFF + drum), "one track")
        assert sorted(music.notes["program"].tolist()) == [40, DRUM_PROGRAM]

    @pytest.mark.parametrize(
        "events",
        [
            pytest.param(b"\x00\xff\x03\x05Fl\xf6te" + NOTE_ON_OFF, id="latin-1 name"),
            pytest.param(b"\x00\xff\x51\x03\x00\x00\x00" + NOTE_ON_OFF, id="infinite tempo"),
            pytest.param(b"\x00\xff\x58\x04\x00\x02\x18\x08" + NOTE_ON_OFF, id="metre 0/4"),
            pytest.param(b"\x00\xff\x58\x04\x04\xc8\x18\x08" + NOTE_ON_OFF, id="metre 4/2^200"),
            pytest.param(b"\x00\xff\x58\x04\xff\x06\x18\x08" + NOTE_ON_OFF, id="metre 255/64"),
        ],
    )
    def test_odd_events_do_no_harm(self, events):
        music = parse_midi(midi(events), "odd")
        ids = Tokenizer().encode(music).ids
        assert ids.shape == (1, 8)
        assert np.isfinite(music.seconds(music.notes["onset"])).all()

    @pytest.mark.parametrize(
        ("events", "field", "value"),
        [
            (b"\x00\x90\x3c\xc8\x60\x80\x3c\x40", "velocity", 127),
            (b"\x00\xc0\xc8" + NOTE_ON_OFF, "program", 127),
        ],
    )
    def test_values_above_127_are_clipped_and_noted(self, events, field, value):
        music = parse_midi(midi(events), "loud")
        assert music.notes[field].tolist() == [value]
        assert music.repairs == ("values above 127 clipped: 1",)


class TestRefusing:
    @pytest.mark.parametrize(
        ("content", "message"),
        [
            pytest.param(b"", "not a readable MIDI file", id="empty file"),
            pytest.param(b"RIFF" * 20, "not a readable MIDI file", id="another format"),
            pytest.param(midi(NOTE_ON_OFF)[:-6], "not a readable MIDI file", id="cut short"),
            pytest.param(midi(NOTE_ON_OFF, division=0xE900), "23 frames of a film", id="SMPTE time"),
            pytest.param(midi(NOTE_ON_OFF, division=0), "ticks per quarter", id="no division"),
            pytest.param(
                midi(b"\xff\xff\xff\x7f\x90\x3c\x40\xff\xff\xff\x7f\x80\x3c\x40" * 8), "2\\^31", id="too long"
            ),
        ],
    )
    def test_unreadable_content(self, tmp_path, content, message):
        path = tmp_path / "broken.mid"
        path.write_bytes(content)
        with pytest.raises(MusicFileError, match=message) as caught:
            read_music(path)
        assert "broken.mid" in str(caught.value)

    def test_more_tracks_than_a_note_can_point_to(self):
        score = SimpleNamespace(ticks_per_quarter=480, tracks=range(2**16 + 1), time_signatures=[])
        with pytest.raises(MusicFileError, match="65,537 tracks"):
            midi_files.from_symusic(score)

    @pytest.mark.slow
    def test_a_file_of_more_tracks_than_a_note_can_point_to(self):
        every = b"".join(
            bytes([0, 0xC0 + c, p, 0, 0x90 + c, 60, 64, 1, 0x80 + c, 60, 0])
            for p in range(128)
            for c in range(16)
        )
        with pytest.raises(MusicFileError, match="tracks"):
            parse_midi(midi(*[every] * 33), "swarm")

    def test_a_folder_is_answered_with_the_remedy(self, tmp_path):
        with pytest.raises(MusicFileError, match=r"it is a folder without music files"):
            read_music(tmp_path)
        (tmp_path / "song.mid").touch()
        with pytest.raises(MusicFileError, match=r"it is a folder. Name its files"):
            read_music(tmp_path)

    @pytest.mark.parametrize(
        ("name", "reason"),
        [(one, "is no known kind of music file") for one in ("a.wav", "a.mid.gz")]
        + [(one, "its name has no ending that tells its kind. Give it one") for one in ("a", ".mid")],
    )
    def test_other_suffixes(self, tmp_path, name, reason):
        (tmp_path / name).write_bytes(midi(NOTE_ON_OFF))
        with pytest.raises(MusicFileError, match=rf"{reason}.*\.mid"):
            read_music(tmp_path / name)

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("a.mscz", "a file of MuseScore. Export it as MusicXML or MIDI. Known are"),
            ("a.SIB", "a file of Sibelius. Export"),
            ("a.it", "a tracker's module. Export"),
            ("a.mp3", "a sound file. Only notes"),
            ("a.pdf", "a picture. Only notes"),
            ("a.zip", "an archive. Unpack it"),
        ],
    )
    def test_other_kinds_are_named_with_a_remedy(self, tmp_path, name, message):
        (tmp_path / name).write_bytes(b"x")
        with pytest.raises(MusicFileError, match=f"no known kind of music file: it is {message}"):
            read_music(tmp_path / name)

    @pytest.mark.parametrize("suffix", [".abc", ".krn"])
    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"\n<!DOCTYPE html><pre>X:1\nK:C\nCDEF|</pre>", "a web page. Download"),
            (b"<?xml version='1.0'?>", "an XML file"),
            (b"MThd\0\0\0\6", "a MIDI file. Name it .mid"),
            (b"PK\3\4", "a ZIP archive. Unpack"),
        ],
    )
    def test_other_kinds_named_as_text_are_refused(self, tmp_path, suffix, content, message):
        (tmp_path / f"a{suffix}").write_bytes(content)
        with pytest.raises(MusicFileError, match=f"it is {message}"):
            read_music(tmp_path / f"a{suffix}")

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
    @pytest.mark.parametrize(
        ("suffix", "text"), [(".abc", "X:1\nT:é\nL:1/4\nK:C\nC|"), (".krn", "!!!OTL: é\n**kern\n4c\n*-")]
    )
    def test_text_is_read_in_every_usual_encoding(self, tmp_path, suffix, text, encoding):
        (tmp_path / f"a{suffix}").write_text(text, encoding=encoding)
        assert read_music(tmp_path / f"a{suffix}").notes["pitch"].tolist() == [60]

    @pytest.mark.parametrize("suffix", [".mid", ".MIDI", ".abc", ".krn", ".xml"])
    def test_absent_files_and_folders(self, tmp_path, suffix):
        with pytest.raises(MusicFileError, match="No such file"):
            read_music(tmp_path / f"absent{suffix}")
        (tmp_path / f"folder{suffix}").mkdir()
        with pytest.raises(MusicFileError, match="folder"):
            read_music(tmp_path / f"folder{suffix}")

    def test_files_of_too_many_notes_are_refused_with_a_remedy(self, tmp_path):
        write_midi(line(range(40, 64)), tmp_path / "a.mid")
        assert len(read_music(tmp_path / "a.mid", max_notes=24)) == len(
            read_music(tmp_path / "a.mid", max_notes=None)
        )
        with pytest.raises(MusicFileError, match=r"24 notes, more than the limit of 23\. Split it"):
            read_music(tmp_path / "a.mid", max_notes=23)

    def test_too_large_a_file(self, tmp_path):
        (tmp_path / "a.mid").write_bytes(midi(NOTE_ON_OFF))
        with pytest.raises(MusicFileError, match="more than the limit of 10"):
            read_music(tmp_path / "a.mid", max_bytes=10)


@pytest.mark.skipif(os.name == "nt", reason="file names are text there")
def test_a_file_name_that_is_no_utf8(tmp_path):
    path = os.fsdecode(os.fsencode(tmp_path) + b"/fl\xf6te.mid")
    write_midi(line([60, 62]), path)
    assert len(read_music(path)) == 2


def mutated(content, random):
    """Content with some bytes replaced, cut out, doubled or the end torn off."""
    broken = bytearray(content)
    for _ in range(random.integers(1, 8)):
        place = int(random.integers(max(len(broken), 1)))
        match random.integers(4):
            case 0:
                broken[place : place + 1] = bytes([random.integers(256)])
            case 1:
                del broken[place : place + int(random.integers(1, 5))]
            case 2:
                broken[place:place] = broken[place : place + int(random.integers(1, 20))]
            case 3 if random.random() < 0.2:
                del broken[place + 1 :]
    return bytes(broken)


@pytest.mark.parametrize(
    "count", [pytest.param(300, id="quick"), pytest.param(20_000, id="long", marks=pytest.mark.slow)]
)
def test_broken_bytes_end_in_music_or_in_our_error(tmp_path, count):
    write_midi(tidy(0), tmp_path / "a.mid")
    whole = (tmp_path / "a.mid").read_bytes()
    sound = 0
    for seed in range(count):
        try:
            music = parse_midi(mutated(whole, np.random.default_rng(seed)), f"seed {seed}")
        except MusicFileError:
            continue
        sound += 1
        notes = music.notes
        assert len(notes) == 0 or max(notes["pitch"].max(), notes["velocity"].max()) < 128
        assert (notes["onset"] >= 0).all()
        assert (notes["program"] <= DRUM_PROGRAM).all()
        assert (notes["track"] < max(len(music.tracks), 1)).all()
        assert (np.diff(music.time_signatures[:, 0]) >= 0).all()
        assert len(Tokenizer().encode(music.with_notes(notes[notes["onset"] < 10**6])).ids) <= len(notes)
    assert (
        0 < sound < count
    )  # some mended or harmless, some refused: the mutations are neither too mild nor wild


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes")
def test_only_regular_files_are_read(tmp_path):
    os.mkfifo(tmp_path / "pipe.mid")
    (tmp_path / "device.mid").symlink_to(os.devnull)
    for name in ("pipe.mid", "device.mid"):
        with pytest.raises(MusicFileError, match=r"a pipe or a device, no file"):
            read_music(tmp_path / name)


def test_karaoke_files_are_midi(tmp_path):
    (tmp_path / "a.KAR").write_bytes(midi(NOTE_ON_OFF))
    assert len(read_music(tmp_path / "a.KAR")) == 1


def test_a_flood_of_time_signatures_is_refused():
    with pytest.raises(MusicFileError, match="100,001 time signatures, more than"):
        parse_midi(midi(b"\x00\xff\x58\x04\x03\x02\x18\x08" * 100_001 + NOTE_ON_OFF), "flood")


def test_the_pedal_is_an_option_of_reading(tmp_path):
    pedal = b"\x00\xb0\x40\x7f" + NOTE_ON_OFF + b"\x60\xb0\x40\x00"
    (tmp_path / "a.mid").write_bytes(midi(pedal))
    assert read_music(tmp_path / "a.mid").notes["duration"].tolist() == [96]
    assert read_music(tmp_path / "a.mid", pedal="extend").notes["duration"].tolist() == [192]
