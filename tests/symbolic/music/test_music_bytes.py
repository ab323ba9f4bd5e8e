"""Music without a file name: its first bytes tell what it is."""

import pytest

from symbolic.errors import MusicFileError
from symbolic.music.files import MAX_BYTES, parse_music


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize(
    "text",
    [
        "%abc-2.1\nX:1\nL:1/4\nK:C\nC2 D2|\n",
        "!!!COM: Anon\n**kern\t**text\n2c\tAh\n2d\t.\n*-\t*-\n",
        '<?xml version="1.0"?><score-partwise><part id="P1"><measure><attributes><divisions>1</divisions></attributes>'
        "<note><pitch><step>C</step><octave>4</octave></pitch><duration>2</duration></note>"
        "<note><pitch><step>D</step><octave>4</octave></pitch><duration>2</duration></note></measure></part>"
        "</score-partwise>",
    ],
    ids=["abc", "kern", "MusicXML"],
)
def test_the_kind_of_a_content_is_told_by_its_beginning(text, encoding):
    found = parse_music(text.encode(encoding))
    assert found.notes["pitch"].tolist() == [60, 62]
    assert (found.notes["duration"] / found.resolution).tolist() == [2, 2]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "these bytes: it is neither MIDI nor"),
        (b"<html>", "a web page"),
        (b"%PDF", "a PDF"),
        (b"RIFF\4\0\0\0WAVE", "a sound file"),
        (b"PK\3\4", "damaged archive"),
        (bytes(MAX_BYTES + 1), "more than the limit"),
    ],
)
def test_other_content_is_refused_by_name(content, message):
    with pytest.raises(MusicFileError, match=message):
        parse_music(content)
