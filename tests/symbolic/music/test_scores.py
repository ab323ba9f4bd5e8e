"""Notated scores: small texts whose notes are known."""

import zipfile

import numpy as np
import pytest

from symbolic.errors import MusicFileError
from symbolic.music.files import read_music
from symbolic.music.notation import RESOLUTION
from symbolic.music.notes import DRUM_PROGRAM
from symbolic.tokens.tokenizer import Tokenizer
from symbolic.tokens.vocabulary import BAR, POSITION, RESERVED

FOUR_FOUR = "<time><beats>4</beats><beat-type>4</beat-type></time>"


def note(step="C", quarters=1, *, chord=False, tie="", grace=False, octave=4):
    """A MusicXML note, in divisions of 12 to the quarter."""
    ties = "".join(f'<tie type="{kind}"/>' for kind in tie.split())
    return (
        "<note>"
        + "<grace/>" * grace
        + "<chord/>" * chord
        + f"<pitch><step>{step}</step><octave>{octave}</octave></pitch>"
        + f"<duration>{round(12 * quarters)}</duration>" * (not grace)
        + ties
        + "</note>"
    )


FULL = note() * 4


def musicxml(*measures, time=FOUR_FOUR, part="<part-name>Voice</part-name>"):
    body = "".join(
        f'<measure number="{number}">'
        + f"<attributes><divisions>12</divisions>{time}</attributes>" * (number == 1)
        + f"{measure}</measure>"
        for number, measure in enumerate(measures, 1)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><score-partwise version="3.1"><part-list>'
        f'<score-part id="P1">{part}</score-part></part-list><part id="P1">{body}</part></score-partwise>'
    )


@pytest.fixture
def read(tmp_path):
    """Read a score from its text."""

    def from_text(text, name="score.musicxml", encoding="utf-8"):
        (tmp_path / name).write_bytes(text.encode(encoding))
        return read_music(tmp_path / name)

    return from_text


def places(music):
    """Bar and quarters in the bar of every token."""
    ids = Tokenizer().encode(music).ids.astype(int) - RESERVED
    return [(bar, position / 16) for bar, position in ids[:, [BAR, POSITION]].tolist()]


def sounding(music):
    """Onset and length in quarters, and pitch, of every note."""
    return [
        (onset / RESOLUTION, length / RESOLUTION, pitch)
        for onset, length, pitch in music.notes[["onset", "duration", "pitch"]].tolist()
    ]


def bars(count, start=0):
    return [(bar, float(beat)) for bar in range(start, start + count) for beat in range(4)]


class TestBars:
    @pytest.mark.parametrize(
        ("measures", "expected"),
        [
            pytest.param([FULL, FULL], bars(2), id="full"),
            pytest.param([note(), FULL], [(0, 3.0), *bars(1, 1)], id="pick-up at the bar's end"),
            pytest.param([FULL, note() * 3, note(), FULL], bars(3), id="split at a repeat"),
            pytest.param(
                [FULL, note(quarters=8 / 3), note(quarters=4 / 3), FULL],
                [*bars(1), (1, 0.0), (1, 43 / 16), *bars(1, 2)],
                id="split within a triplet",
            ),
            pytest.param([note(), FULL, note() * 3, note(), FULL], [(0, 3.0), *bars(3, 1)], id="both"),
            pytest.param([FULL, note(), FULL], [*bars(1), (1, 0.0), *bars(1, 2)], id="short bar"),
            pytest.param([FULL, FULL + note(), FULL], [*bars(2), (2, 0.0), *bars(1, 3)], id="bar too long"),
        ],
    )
    def test_musicxml(self, read, measures, expected):
        assert places(read(musicxml(*measures))) == expected

    def test_change_of_metre(self, read):
        change = "<attributes><time><beats>3</beats><beat-type>8</beat-type></time></attributes>"
        music = read(musicxml(FULL, change + note(quarters=1.5), note(quarters=1.5)))
        assert (music.time_signatures / [RESOLUTION, 1, 1]).tolist() == [[0, 4, 4], [4, 3, 8]]
        assert places(music) == [*bars(1), (1, 0.0), (2, 0.0)]

    @pytest.mark.parametrize(
        ("time", "metre"),
        [
            ("<time><beats>3+2</beats><beat-type>8</beat-type></time>", [5, 8]),
            ("<time><senza-misura/></time>", [4, 4]),
            ("", [4, 4]),
        ],
    )
    def test_unusual_signatures(self, read, time, metre):
        assert read(musicxml(note(quarters=2.5), time=time)).time_signatures.tolist() == [[0, *metre]]


class TestNotes:
    def test_tied_notes_are_one(self, read):
        tied = [note(tie="start", quarters=4), note(tie="stop start", quarters=4), note(tie="stop"), FULL]
        assert sounding(read(musicxml(*tied)))[0] == (0, 9, 60)

    @pytest.mark.parametrize("tied", ["CE", "C", "E", ""])
    def test_only_the_tied_notes_of_a_chord_are_joined(self, read, tied):
        def chord(kind):
            return "".join(
                note(step, 4, chord=step == "E", tie=kind if step in tied else "") for step in ("C", "E")
            )

        found = sounding(read(musicxml(chord("start"), chord("stop"))))
        for step, pitch in (("C", 60), ("E", 64)):
            lengths = [length for _, length, other in found if other == pitch]
            assert lengths == ([8] if step in tied else [4, 4])

    def test_a_tie_across_a_rest_joins_nothing(self, read):
        rest = "<note><rest/><duration>12</duration></note>"
        found = sounding(read(musicxml(note(tie="start") + rest + note(tie="stop", quarters=2))))
        assert found == [(0, 1, 60), (2, 2, 60)]

    @pytest.mark.parametrize("other", ["", "start", "stop"])
    def test_a_tie_holds_though_another_voice_strikes_its_pitch(self, read, other):
        def voice(number, notes):
            return notes.replace("</note>", f"<voice>{number}</voice></note>")

        below = "<backup><duration>48</duration></backup>" + voice(2, note("G", 2) + note("C", 2, tie=other))
        held = [voice(1, note(quarters=4, tie=kind)) for kind in ("start", "stop")]
        found = sounding(read(musicxml(held[0] + below, held[1])))
        assert sorted(found) == [(0, 2, 67), (0, 8, 60), (2, 2, 60)]

    def test_chord_symbols_are_left_out(self, read):
        symbol = "<harmony><root><root-step>C</root-step></root><kind>major</kind></harmony>"
        assert len(read(musicxml(symbol + FULL))) == 4

    def test_transposing_instruments_sound(self, read):
        clarinet = FOUR_FOUR + "<transpose><diatonic>-1</diatonic><chromatic>-2</chromatic></transpose>"
        assert read(musicxml(FULL, time=clarinet)).notes["pitch"].tolist() == [58] * 4

    def test_grace_notes_have_no_length(self, read):
        music = read(musicxml(note("D", grace=True) + FULL))
        assert sounding(music)[:2] == [(0, 0, 62), (0, 1, 60)]
        assert len(Tokenizer().encode(music).ids) == 5

    def test_voices_sound_together(self, read):
        def voice(number, notes):
            return notes.replace("</note>", f"<voice>{number}</voice></note>")

        second = "<backup><duration>48</duration></backup>" + voice(2, note("G", 2) + note("A", 2))
        found = sounding(read(musicxml(FULL, voice(1, FULL) + second)))
        assert sorted(found)[4:] == [(4, 1, 60), (4, 2, 67), (5, 1, 60), (6, 1, 60), (6, 2, 69), (7, 1, 60)]

    def test_loudness_is_read_where_it_is_stated(self, read):
        music = read(musicxml(note() + note().replace("<note>", '<note dynamics="100">')))
        assert music.notes["velocity"].tolist() == [64, 90]  # MusicXML counts in hundredths of 90

    def test_unpitched_percussion_is_left_out_and_noted(self, read):
        stroke = (
            "<note><unpitched><display-step>C</display-step><display-octave>5</display-octave></unpitched>"
            "<duration>12</duration></note>"
        )
        music = read(musicxml(stroke * 3 + note()))
        assert sounding(music) == [(3, 1, 60)]
        assert music.repairs == ("3 unpitched percussion notes left out",)

    def test_instruments(self, read):
        part = (
            "<part-name>Solo</part-name>"
            '<score-instrument id="I1"><instrument-name>Violin</instrument-name></score-instrument>'
            '<midi-instrument id="I1"><midi-channel>{}</midi-channel>'
            "<midi-program>41</midi-program></midi-instrument>"
        )
        violin, drum = (read(musicxml(FULL, part=part.format(channel))) for channel in (1, 10))
        assert violin.tracks == ("Solo",)
        assert set(violin.notes["program"]) == {40}
        assert set(drum.notes["program"]) == {DRUM_PROGRAM}


class TestTempo:
    MARK = '<direction><direction-type><words>go</words></direction-type><sound tempo="{}"/></direction>'

    def test_marks(self, read):
        music = read(musicxml(self.MARK.format(90) + FULL, self.MARK.format(60) + FULL))
        assert music.tempos.tolist() == [[0, 90], [4 * RESOLUTION, 60]]

    def test_first_mark_holds_for_the_pick_up(self, read):
        assert read(musicxml(note(), self.MARK.format(90) + FULL)).tempos[0].tolist() == [0, 90]

    def test_marks_of_any_part_and_of_several_the_first(self, read):
        def measures(*tempos):
            marks = (self.MARK.format(tempo) if tempo else "" for tempo in tempos)
            return "".join(f'<measure number="{n}">{mark}{FULL}</measure>' for n, mark in enumerate(marks, 2))

        other = '<part id="P2">' + measures(80, 70, 50).replace(
            '<measure number="2">',
            f'<measure number="1"><attributes><divisions>12</divisions>{FOUR_FOUR}</attributes>',
        )
        listed = '<score-part id="P2"><part-name>Piano</part-name></score-part></part-list>'
        text = musicxml(FULL, self.MARK.format(90) + FULL, FULL)
        text = text.replace("</part-list>", listed).replace(
            "</score-partwise>", f"{other}</part></score-partwise>"
        )
        assert read(text).tempos[:, 1].tolist() == [80, 90, 50]

    def test_none(self, read):
        assert read(musicxml(FULL)).tempos.tolist() == [[0, 120]]


class TestOtherFormats:
    KERN = "**kern\t**kern\n*M3/4\t*M3/4\n=1-\t=1-\n4C\t4c\n4D\t8e\n.\t8f\n4E\t4g\n==\t==\n*-\t*-\n"

    def test_kern(self, read):
        music = read(self.KERN, "score.krn")
        assert len(music.tracks) == 2
        assert sorted(music.notes["pitch"].tolist()) == [48, 50, 52, 60, 64, 65, 67]
        assert music.time_signatures.tolist() == [[0, 3, 4]]

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("a.musicxml", ""),
            ("a.musicxml", "<score-partwise><part>"),
            ("a.musicxml", "<html><body>404</body></html>"),
            ("a.xml", musicxml().replace('<part id="P1"></part>', "")),
            ("a.mxl", "PK\x03\x04 no archive"),
            ("a.krn", "no spines"),
        ],
    )
    def test_unreadable_scores(self, read, name, text):
        with pytest.raises(MusicFileError, match=name):
            read(text, name)


@pytest.mark.parametrize(
    "container",
    [
        pytest.param("<rootfile full-path='Mary's.xml'/>", id="unescaped"),  # as in 93 files of OpenEWLD
        pytest.param("<rootfile full-path='elsewhere.xml'/>", id="wrong name"),
        pytest.param("", id="empty"),
        pytest.param(None, id="absent"),
    ],
)
def test_compressed_scores_with_any_container_are_read(tmp_path, container):
    path = tmp_path / "score.mxl"
    with zipfile.ZipFile(path, "w") as archive:
        if container is not None:
            archive.writestr("META-INF/container.xml", container)
        archive.writestr("Mary's.xml", musicxml(FULL))
    assert len(read_music(path)) == 4


def test_no_notes(read):
    music = read(musicxml("<note><rest/><duration>48</duration></note>"))
    assert len(music) == 0
    assert np.array_equal(music.time_signatures, [[0, 4, 4]])
