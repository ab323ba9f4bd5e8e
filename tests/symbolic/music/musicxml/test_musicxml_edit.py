"""MusicXML files are edited in their own text: all else stays as it was, byte by byte."""

import io
import re
import zipfile

import numpy as np
import pytest
from musicxml_text import backup, chord, note, notes, score

from symbolic.music.musicxml.edit import ScoreEdit
from symbolic.music.musicxml.reader import parse_musicxml

TEXT = score(
    [
        note("C4", 4, tie="start", attributes=' default-x="9"') + backup(4) + notes("E3 F3 G3 A3"),
        note("C4", 2, tie="stop") + chord("D4 F4", 2),
    ],
    listed=["<part-name>Zürich &amp; more</part-name>"],
    head="<!-- a > comment --><work><work-title><![CDATA[<note>]]></work-title></work>",
)
HARMONY = "<harmony><root><root-step>C</root-step></root><kind>major</kind></harmony>"


def only(inserted: str, times: int, after: str) -> bool:
    """Whether a text is inserted a number of times, and nothing else differs."""
    return after.count(inserted) == times and after.replace(inserted, "") == TEXT


def index(edit: ScoreEdit, pitch: int) -> int:
    return edit.music.notes["pitch"].tolist().index(pitch)


def test_without_edits_nothing_changes():
    for text in (TEXT, "\n" + TEXT + "\n\n"):
        assert ScoreEdit(text.encode(), "score").to_bytes(zipped=False) == text.encode()


def test_an_attribute_is_set_on_all_tied_notes_and_on_nothing_else():
    edit = ScoreEdit(TEXT.encode(), "score")
    edit.set_attribute(index(edit, 60), "color", "#D55E00")
    assert only(' color="#D55E00"', 2, edit.to_bytes(zipped=False).decode())


@pytest.mark.parametrize("old", ['color="#000000"', "color = '#000000'", 'default-x="9" color="red>"'])
def test_an_attribute_that_is_there_is_set_anew(old):
    text = TEXT.replace('default-x="9"', old)
    edit = ScoreEdit(text.encode(), "score")
    edit.set_attribute(index(edit, 60), "color", "#D55E00")
    found = re.findall(r"""<note(?: default-x="9")? color="#D55E00">""", edit.to_bytes(zipped=False).decode())
    assert len(found) == 2


def test_an_element_stands_before_the_chord_of_a_note():
    edit = ScoreEdit(TEXT.encode(), "score")
    edit.insert_before([index(edit, 65)], HARMONY)
    after = edit.to_bytes(zipped=False).decode()
    assert only(HARMONY, 1, after)
    assert HARMONY + "<note><pitch><step>D" in after
    np.testing.assert_array_equal(parse_musicxml(after.encode(), "again").notes, edit.music.notes)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_encodings_are_kept(encoding):
    declared = {"utf-16": "UTF-16", "latin-1": "ISO-8859-1"}.get(encoding, "UTF-8")
    content = TEXT.replace('"UTF-8"', f'"{declared}"').encode(encoding)
    edit = ScoreEdit(content, "score")
    assert edit.to_bytes(zipped=False) == content
    edit.set_attribute(0, "color", "#D55E00")
    assert "Zürich" in edit.to_bytes(zipped=False).decode(encoding)


def test_archives_keep_their_other_members():
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("META-INF/container.xml", "<rootfile full-path='b.xml'/>")
        archive.writestr("picture.png", b"\x89PNG")
        archive.writestr("b.xml", TEXT)
    edit = ScoreEdit(packed.getvalue(), "score.mxl")
    edit.set_attribute(0, "color", "#D55E00")
    with zipfile.ZipFile(io.BytesIO(edit.to_bytes(zipped=True))) as archive:
        assert archive.namelist() == ["META-INF/container.xml", "picture.png", "b.xml"]
        assert archive.read("picture.png") == b"\x89PNG"
        assert only(' color="#D55E00"', 2, archive.read("b.xml").decode())
    assert edit.to_bytes(zipped=False).startswith(b"<?xml")


def test_a_plain_file_becomes_an_archive():
    content = ScoreEdit(TEXT.encode(), "score").to_bytes(zipped=True)
    assert len(parse_musicxml(content, "score.mxl")) == 7


def test_a_pitch_is_set_on_all_tied_notes_and_spelled_by_the_key():
    signed = TEXT.replace("</octave></pitch>", "</octave></pitch><accidental>natural</accidental>", 1)
    key = "<attributes><key><fifths>-4</fifths></key></attributes>"
    text = signed.replace("<note default-x", key + "<note default-x")
    edit = ScoreEdit(text.encode(), "score")
    old = index(edit, 60)
    edit.set_pitch(old, 61)
    after = edit.to_bytes(zipped=False).decode()
    assert after.count("<step>D</step><alter>-1</alter><octave>4</octave>") == 2
    assert "<accidental>" not in after
    expected = edit.music.notes.copy()
    expected["pitch"][old] = 61
    np.testing.assert_array_equal(parse_musicxml(after.encode(), "again").notes, expected)


def test_a_pitch_is_written_as_its_instrument_reads_it():
    clarinet = "<attributes><transpose><chromatic>-2</chromatic></transpose></attributes>"
    edit = ScoreEdit(TEXT.replace("<note default-x", clarinet + "<note default-x").encode(), "score")
    edit.set_pitch(index(edit, 58), 65)
    after = edit.to_bytes(zipped=False)
    assert b"<step>G</step><octave>4</octave>" in after
    assert 65 in parse_musicxml(after, "again").notes["pitch"]
