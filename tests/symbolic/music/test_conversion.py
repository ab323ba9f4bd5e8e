"""Music from the objects of other libraries, and back."""

from io import BytesIO

import numpy as np
import pretty_midi
import pytest
import symusic
from synthetic import line, unruly

from symbolic.errors import MusicFileError
from symbolic.music.conversion import as_music, from_pretty_midi, is_many
from symbolic.music.midi.reader import parse_midi
from symbolic.music.midi.writer import midi_bytes, write_midi
from symbolic.music.notes import DRUM_PROGRAM, NOTE, Music, note_array


def columns(music):
    """The notes as a sorted list of tuples."""
    return sorted(music.notes[list(NOTE.names)].tolist())


@pytest.fixture
def music():
    notes = note_array(
        [0, 480, 480, 960], [960, 240, 480, 480], [60, 60, 64, 36], [90, 80, 70, 60], [0, 0, 40, DRUM_PROGRAM]
    )
    notes["track"] = [0, 0, 1, 2]
    signatures = np.array([[0, 4, 4], [1920, 3, 4]])
    tempos = np.array([[0, 120.0], [480, 60.0]])
    return Music(notes, 480, signatures, tempos, ("piano", "violin", "drums"))


class TestAsMusic:
    def test_music_is_returned_unchanged(self, music):
        assert as_music(music) is music

    @pytest.mark.parametrize(
        ("column", "value", "words"),
        [
            ("onset", -1, r"onset holds -1\.\.960"),
            ("pitch", 200, "outside 0..127"),
            ("program", 129, "outside 0..128"),
        ],
    )
    def test_notes_that_cannot_be_are_refused(self, music, column, value, words):
        music.notes[column][0] = value
        with pytest.raises(MusicFileError, match=f"this Music: {words}|this Music: .*{words}"):
            as_music(music)

    def test_notes_of_another_kind_are_refused(self, music):
        with pytest.raises(MusicFileError, match="make them by note_array"):
            as_music(music.with_notes(np.zeros(3)))

    @pytest.mark.parametrize("kind", [str, lambda path: path])
    def test_paths_are_read(self, music, tmp_path, kind):
        write_midi(music, tmp_path / "a.mid")
        assert len(as_music(kind(tmp_path / "a.mid"))) == len(music)

    @pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview, BytesIO])
    def test_the_content_of_a_file_is_read(self, music, wrap):
        content = midi_bytes(music)
        assert columns(as_music(wrap(content))) == columns(parse_midi(content, "x"))

    def test_an_open_file_is_read_and_named_in_errors(self, music, tmp_path):
        write_midi(music, tmp_path / "a.mid")
        (tmp_path / "b.mid").write_bytes(b"%PDF-1.4")
        with open(tmp_path / "a.mid", "rb") as file:
            assert len(as_music(file)) == len(music)
        with (
            open(tmp_path / "b.mid", "rb") as file,
            pytest.raises(MusicFileError, match=r"b\.mid: it is a PDF"),
        ):
            as_music(file)

    @pytest.mark.parametrize("unit", ["tick", "quarter", "second"])
    def test_symusic_scores_of_every_time_unit(self, music, unit):
        assert columns(as_music(music.to_symusic().to(unit))) == columns(music)

    def test_pretty_midi_keeps_notes_tempos_and_time_signatures(self, music):
        # Two notes of one pitch overlap: through a MIDI file they would lose their lengths.
        back = as_music(music.to_pretty_midi())
        assert columns(back) == columns(music)
        assert back.resolution == music.resolution
        assert back.tracks == music.tracks
        np.testing.assert_array_equal(back.time_signatures, music.time_signatures)
        np.testing.assert_allclose(back.tempos, music.tempos)

    @pytest.mark.parametrize("kind", ["to_symusic", "to_pretty_midi"])
    def test_objects_keep_cents(self, kind):
        notes = note_array([0, 0, 480], [960, 480, 480], [60, 64, 67], cents=[-33, 12, 250])
        back = as_music(getattr(Music(notes, 480), kind)())
        names = ["onset", "pitch", "duration", "cents"]
        assert sorted(back.notes[names].tolist()) == sorted(notes[names].tolist())

    def test_music21_streams_keep_microtones(self):
        import music21

        half = music21.note.Note("B4")
        half.pitch.accidental = "half-flat"
        tuned = music21.note.Note("C5")
        tuned.pitch.microtone = 20
        found = as_music(music21.stream.Stream([half, tuned, music21.note.Note("C#5")]))
        assert found.notes[["pitch", "cents"]].tolist() == [(71, -50), (72, 20), (73, 0)]

    def test_pretty_midi_notes_keep_their_order(self):
        midi = pretty_midi.PrettyMIDI(resolution=480)
        piano = pretty_midi.Instrument(0)
        piano.notes = [
            pretty_midi.Note(64, pitch, start, start + 0.5) for pitch, start in [(60, 1.0), (72, 0.0)]
        ]
        midi.instruments.append(piano)
        found = from_pretty_midi(midi)
        assert found.notes["pitch"].tolist() == [60, 72]
        assert found.notes["onset"].tolist() == [960, 0]
        assert found.notes["duration"].tolist() == [480, 480]

    @pytest.mark.parametrize("seed", range(3))
    def test_pretty_midi_and_back_on_unruly_music(self, seed):
        music = unruly(seed)
        direct = as_music(music.to_symusic())
        np.testing.assert_array_equal(as_music(music.to_pretty_midi()).notes, direct.notes)

    def test_pretty_midi_without_notes(self):
        assert len(as_music(pretty_midi.PrettyMIDI())) == 0

    def test_pretty_midi_values_beyond_midi_are_refused(self):
        midi = pretty_midi.PrettyMIDI()
        midi.instruments.append(pretty_midi.Instrument(0))
        midi.instruments[0].notes.append(pretty_midi.Note(64, 200, 0, 1))
        with pytest.raises(MusicFileError, match=r"PrettyMIDI: pitch holds 200"):
            as_music(midi)

    @pytest.mark.parametrize("measures", [True, False])
    def test_music21_scores_with_and_without_measures(self, measures):
        from music21 import meter, note, stream

        part = stream.Part()
        part.append(meter.TimeSignature("3/4"))
        for pitch in (60, 62, 64, 65):
            part.append(note.Note(pitch, quarterLength=1))
        score = stream.Score([part.makeMeasures() if measures else part])
        found = as_music(score)
        assert found.notes["pitch"].tolist() == [60, 62, 64, 65]
        assert (found.notes["onset"] / found.resolution).tolist() == [0, 1, 2, 3]
        assert found.time_signatures.tolist() == [[0, 3, 4]]

    @pytest.mark.parametrize("kind", ["Stream", "Part", "Measure"])
    def test_music21_streams_without_parts_are_one_part(self, kind):
        from music21 import note, stream

        given = getattr(stream, kind)()
        given.append([note.Note(60, quarterLength=1.5), note.Rest(), note.Note(62)])
        found = as_music(given)
        assert (found.notes["onset"] / found.resolution).tolist() == [0, 2.5]
        assert found.notes["pitch"].tolist() == [60, 62]

    def test_a_music21_opus_is_refused(self):
        from music21 import stream

        with pytest.raises(MusicFileError, match="Pass its scores one by one"):
            as_music(stream.Opus([stream.Score(), stream.Score()]))

    def test_music21_ties_that_end_together_go_on_in_their_own_voice(self):
        from music21 import note, stream, tie

        def voice(name, length, kind):
            found = stream.Voice(id=name)
            tied = note.Note(60, quarterLength=length)
            tied.tie = tie.Tie(kind)
            found.insert(4 - length if kind == "start" else 0, tied)
            return found

        first = stream.Measure([voice("1", 1, "start"), voice("2", 2, "start")])
        second = stream.Measure([voice("1", 4, "stop"), voice("2", 1, "stop")])
        part = stream.Part()
        part.append([first, second])
        found = as_music(stream.Score([part]))
        times = zip(
            found.notes["onset"] / found.resolution, found.notes["duration"] / found.resolution, strict=True
        )
        assert sorted(times) == [(2, 3), (3, 5)]

    def test_lyrics_of_music21_and_pretty_midi_are_sung(self):
        from music21 import note, stream

        parts = [stream.Part([note.Note(pitch), note.Note(pitch)]) for pitch in (72, 60)]
        parts[1].notes[0].lyric = "la"
        assert as_music(stream.Score(parts)).sung == (1,)
        midi = pretty_midi.PrettyMIDI()
        for offset in (0.0, 0.25):
            midi.instruments.append(pretty_midi.Instrument(0))
            midi.instruments[-1].notes = [
                pretty_midi.Note(64, 60, 0.5 * at + offset, 0.5 * at + offset + 0.2) for at in range(4)
            ]
        midi.lyrics = [pretty_midi.Lyric("la", 0.5 * at + 0.25) for at in range(4)]
        assert as_music(midi).sung == (1,)

    @pytest.mark.parametrize("measures", [True, False])
    def test_music21_instruments_hold_from_where_they_stand(self, measures):
        from music21 import instrument, note, stream

        part = stream.Part([instrument.Violin(), note.Note(60), note.Note(62), note.Note(64)])
        part.insert(2, instrument.Flute())
        found = as_music(stream.Score([part.makeMeasures() if measures else part]))
        assert found.notes["program"].tolist() == [40, 40, 73]

    def test_music21_strokes_of_known_drums_are_read(self):
        from music21 import instrument, note, percussion, stream

        def stroke(drum):
            found = note.Unpitched()
            found.storedInstrument = drum and drum()
            return found

        drums = [
            stroke(one) for one in (instrument.BassDrum, instrument.SnareDrum, instrument.BassDrum, None)
        ]
        both = percussion.PercussionChord([drums[0], drums[1]])
        found = as_music(stream.Stream([both, *drums[2:]]))
        assert sorted(found.notes[["pitch", "program"]].tolist()) == [(35, 128), (35, 128), (38, 128)]
        assert found.repairs == ("unpitched percussion notes left out: 1",)

    def test_mido_files(self, music):
        import mido

        midi = mido.MidiFile(file=BytesIO(midi_bytes(music)))
        assert columns(as_music(midi)) == columns(parse_midi(midi_bytes(music), "x"))

    @pytest.mark.parametrize("source", [7, [], symusic.Track()])
    def test_other_kinds_are_refused_by_name(self, source):
        with pytest.raises(TypeError, match=rf"{type(source).__name__}\. Pass the path of a file"):
            as_music(source)


@pytest.mark.parametrize("many", [[], ("a.mid",), iter(["a.mid"]), np.array(["a.mid"], dtype=object)])
def test_lists_iterators_and_columns_are_many_pieces(many):
    assert is_many(many)


@pytest.mark.parametrize("one", ["a.mid", b"MThd", BytesIO(), pretty_midi.PrettyMIDI(), symusic.Score()])
def test_paths_content_and_objects_are_one_piece(one):
    assert not is_many(one)


class TestMusic:
    def test_repr_counts_what_it_holds(self, music):
        assert repr(music) == "Music(4 notes, 3 tracks, 4/4, 3/4, 60–120 bpm, 0:02)"
        assert repr(Music(note_array([], [], []), 480)) == "Music(0 notes, 0 tracks, 4/4, 120 bpm, 0:00)"

    def test_write_is_write_midi(self, tmp_path):
        music = line([60, 64])
        music.write(tmp_path / "a.mid")
        assert columns(as_music(tmp_path / "a.mid")) == columns(as_music(music.to_symusic()))
