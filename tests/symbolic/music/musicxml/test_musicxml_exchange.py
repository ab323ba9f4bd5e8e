"""Notes of a MusicXML score are exchanged: they come back as asked, and all that stays is as it was."""

from fractions import Fraction

import numpy as np
import pytest
from musicxml_text import FOUR_FOUR, backup, note, notes, score

from symbolic.errors import MusicFileError
from symbolic.music.musicxml.edit import ScoreEdit
from symbolic.music.musicxml.measure import lengths, pitch_xml
from symbolic.music.musicxml.reader import parse_musicxml
from symbolic.music.notation import RESOLUTION
from symbolic.music.notes import note_array

WORDS = "<direction><direction-type><words>dolce</words></direction-type></direction>"
LYRIC = "<lyric><syllabic>single</syllabic><text>la</text></lyric>"


def exchanged(text, bars, onsets, pitches, quarters=1.0, edges=(), like=0, track=None):
    """The score with the notes that begin in bars, counted from 0, replaced by others; and its music before."""
    edit = ScoreEdit(text.encode(), "score")
    old = edit.music.notes
    gone = (old["onset"] >= bars[0] * 4 * RESOLUTION) & (old["onset"] < bars[1] * 4 * RESOLUTION)
    gone &= track is None or old["track"] == track
    new = note_array(np.asarray(onsets) * RESOLUTION, quarters * RESOLUTION, np.asarray(pitches), 80)
    edit.exchange(gone, new, np.full(len(new), like), [round(edge * RESOLUTION) for edge in edges])
    return edit.to_bytes(zipped=False).decode(), old[~gone]


def heard(text):
    """Onset, length and pitch of each note of a score in quarters."""
    found = parse_musicxml(text.encode(), "score").notes
    return sorted(
        (one["onset"] / RESOLUTION, one["duration"] / RESOLUTION, int(one["pitch"])) for one in found
    )


def test_new_notes_are_there_and_other_measures_are_as_they_were():
    first, last = notes("C4 D4") + note("E4", 2, last=LYRIC), notes("G4 A4 B4 C5")
    text = score([first, WORDS + notes("F4 F4 F4 F4"), last])
    after, _ = exchanged(text, (1, 2), [4, 4.5, 6], [72, 71, 60], 0.5)
    assert heard(after) == [
        *((0, 1, 60), (1, 1, 62), (2, 2, 64), (4, 0.5, 72), (4.5, 0.5, 71), (6, 0.5, 60)),
        *((8, 1, 67), (9, 1, 69), (10, 1, 71), (11, 1, 72)),
    ]
    for kept in (first, WORDS, last):
        assert kept in after
    before, behind = text.partition(WORDS)[0], text.rpartition("</measure><measure")[2]
    assert after.startswith(before)
    assert after.endswith(behind)


def test_other_staves_and_voices_stay_note_by_note():
    low = note("C3", 4, staff=2, voice="5", last="<notations><fermata/></notations>")
    inner = note("E4", 4, voice="2", staff=1)
    text = score([notes("C5 D5 E5 F5", voice="1", staff=1) + backup(4) + inner + backup(4) + low])
    edit = ScoreEdit(text.encode(), "score")
    upper = np.isin(edit.music.notes["pitch"], [72, 74, 76, 77])
    edit.exchange(upper, note_array([0], 2 * RESOLUTION, 79, 64), np.array([0]))
    after = edit.to_bytes(zipped=False).decode()
    assert inner in after
    assert low in after
    assert heard(after) == [(0, 2, 79), (0, 4, 48), (0, 4, 64)]
    assert after.count("<rest/>") == 1


def test_what_a_tie_joins_to_a_note_goes_with_it():
    held = note("C4", 4, tie="start")
    text = score([held, note("C4", 2, tie="stop") + note("E4", 2)])
    after, _ = exchanged(text, (0, 1), [0, 2], [65, 67], 2)
    assert heard(after) == [(0, 2, 65), (2, 2, 67), (6, 2, 64)]
    assert "tie" not in after
    assert note("E4", 2) in after


def test_a_note_that_stays_is_held_into_a_new_bar():
    text = score([note("C4", 4, tie="start"), note("C4", 1, tie="stop", last=LYRIC) + notes("D4 E4 F4")])
    after, _ = exchanged(text, (1, 2), [5], [72], 3)
    assert heard(after) == [(0, 5, 60), (5, 3, 72)]
    assert LYRIC in after


def test_new_notes_are_tied_over_bar_lines_and_odd_lengths():
    after, _ = exchanged(
        score([notes("C4 D4 E4 F4"), notes("C4 D4 E4 F4")]), (0, 2), [0, 3, 5.25], [60, 62, 64], 2.25
    )
    assert heard(after) == [(0, 2.25, 60), (3, 2.25, 62), (5.25, 2.25, 64)]


def test_finer_divisions_hold_for_one_measure_alone():
    last = notes("G4 A4 B4 C5")
    after, _ = exchanged(score([notes("C4 D4 E4 F4"), last]), (0, 1), [1 / 16], [61], 3 / 16)
    assert heard(after)[0] == (1 / 16, 3 / 16, 61)
    assert after.count("<divisions>48</divisions>") == 1
    assert f"<attributes><divisions>12</divisions></attributes>{last}" in after


def test_bars_are_added_after_a_last_bar_that_a_pick_up_cut_short():
    text = score(
        [note("C4", 1), notes("C4 D4 E4 F4"), note("G4", 3)], [note("r", 1), note("r", 4), note("r", 3)]
    )
    after, _ = exchanged(text, (9, 9), [12, 17], [60, 62], 1, edges=(12, 16, 20))
    assert heard(after)[-3:] == [(8, 3, 67), (12, 1, 60), (17, 1, 62)]
    assert after.count('<measure number="5">') == 2
    assert parse_musicxml(after.encode(), "x").time_signatures.tolist() == [[0, 4, 4]]


def test_a_pick_up_becomes_a_full_bar_where_notes_come_before_it():
    text = score(
        [note("C4", 1), notes("C4 D4 E4 F4"), note("G4", 3)], [note("E3", 1), note("r", 4), note("E3", 3)]
    )
    after, _ = exchanged(text, (0, 1), [0.5], [72], 1, track=0)
    assert heard(after)[:3] == [(0.5, 1, 72), (3, 1, 52), (4, 1, 60)]
    assert len(heard(after)) == 8


def test_written_pitches_are_those_of_a_transposing_part():
    clarinet = "<transpose><chromatic>-2</chromatic></transpose>"
    text = score([f"<attributes>{clarinet}</attributes>" + notes("D4 D4 D4 D4")])
    after, _ = exchanged(text, (0, 1), [0], [60], 4)
    assert heard(after) == [(0, 4, 60)]
    assert "<step>D</step><octave>4</octave>" in after


def test_drums_are_struck_by_the_instrument_that_has_their_pitch():
    kit = "".join(
        f'<score-instrument id="I{pitch}"><instrument-name>x</instrument-name></score-instrument>'
        for pitch in (36, 38)
    ) + "".join(
        f'<midi-instrument id="I{pitch}"><midi-channel>10</midi-channel><midi-unpitched>{pitch + 1}</midi-unpitched>'
        "</midi-instrument>"
        for pitch in (36, 38)
    )
    stroke = (
        "<note><unpitched><display-step>F</display-step><display-octave>4</display-octave></unpitched>"
        '<duration>48</duration><instrument id="I36"/></note>'
    )
    text = score([stroke], listed=[f"<part-name>drums</part-name>{kit}"])
    after, _ = exchanged(text, (0, 1), [0, 2], [38, 36], 1)
    assert heard(after) == [(0, 1, 38), (2, 1, 36)]
    with pytest.raises(MusicFileError, match="no instrument of the part sounds as drum 50"):
        exchanged(text, (0, 1), [0], [50], 1)


@pytest.mark.parametrize(
    ("fifths", "spelled"),
    [
        (0, "C C# D Eb E F F# G G# A Bb B"),
        (-4, "C Db D Eb E F Gb G Ab A Bb Cb"),
        (5, "B# C# D D# E E# F# F## G# A A# B"),
    ],
)
def test_pitches_are_spelled_as_the_key_has_them(fifths, spelled):
    for pitch, name in enumerate(spelled.split(), 60):
        element = pitch_xml(pitch, fifths)
        assert f"<step>{name[0]}</step>" in element
        assert (f"<alter>{name.count('#') - name[1:].count('b')}</alter>" in element) == (len(name) > 1)
        found = parse_musicxml(score([f"<note>{element}<duration>48</duration></note>"]).encode(), "x")
        assert found.notes["pitch"].tolist() == [pitch]


@pytest.mark.parametrize("cents", [-50, -42, 25])
def test_microtones_are_spelled_by_their_alteration(cents):
    element = pitch_xml(61, 0, cents)
    (found,) = parse_musicxml(score([f"<note>{element}<duration>48</duration></note>"]).encode(), "x").notes
    assert 100 * int(found["pitch"]) + int(found["cents"]) == 6100 + cents


def test_lengths_are_cut_into_note_values():
    assert lengths(Fraction(5, 2)) == [2, Fraction(1, 2)]
    assert lengths(Fraction(3)) == [3]
    assert lengths(Fraction(1, 3)) == [Fraction(1, 3)]
    assert sum(lengths(Fraction(37, 16))) == Fraction(37, 16)


def test_a_score_written_bar_by_bar_is_edited_too():
    text = (
        '<score-timewise><part-list><score-part id="P1"/></part-list>'
        f'<measure number="1"><part id="P1"><attributes><divisions>12</divisions>{FOUR_FOUR}</attributes>'
        f'{notes("C4 D4 E4 F4")}</part></measure><measure number="2"><part id="P1">{notes("G4 A4 B4 C5")}</part>'
        "</measure></score-timewise>"
    )
    after, _ = exchanged(text, (1, 2), [4], [72], 4)
    assert heard(after) == [(0, 1, 60), (1, 1, 62), (2, 1, 64), (3, 1, 65), (4, 4, 72)]
    with pytest.raises(MusicFileError, match="Write MIDI"):
        exchanged(text, (9, 9), [8], [72], 4, edges=(8, 12))
