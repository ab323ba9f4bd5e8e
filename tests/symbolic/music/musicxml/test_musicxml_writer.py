"""The writer of MusicXML: what it writes is read back alike, and shows beats, voices, ties and accidentals."""

import re

import numpy as np
import pytest

from symbolic.music.musicxml.reader import parse_musicxml
from symbolic.music.musicxml.symbols import DIVISIONS, SYMBOLS, Spelling, beams, signature_of, spelled, split
from symbolic.music.musicxml.writer import SHEET_NOTE, Sheet, SheetBar, musicxml_bytes

NATURAL = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}


def bars(count, upper=4, lower=4, beat=DIVISIONS, pickup=0):
    length = 4 * DIVISIONS * upper // lower
    lengths = [pickup] * (pickup > 0) + [length] * count
    starts = np.cumsum([-pickup if pickup else 0, *lengths[:-1]]).tolist()
    return [SheetBar(start, one, upper, lower, beat) for start, one in zip(starts, lengths, strict=True)]


def written(rows, in_bars, **about):
    rows = [(*row, 0)[: len(SHEET_NOTE)] for row in rows]  # without cents
    return musicxml_bytes(Sheet(np.array(rows, dtype=SHEET_NOTE), in_bars, **about))


def read_back(content):
    music = parse_musicxml(content, "written.musicxml")
    notes = np.sort(music.notes, order=("onset", "pitch"))
    scale = music.resolution // DIVISIONS
    columns = notes["onset"] // scale, notes["duration"] // scale, notes["pitch"], notes["track"]
    return list(zip(*(column.tolist() for column in columns), strict=True))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("upper", "lower", "beat"), [(4, 4, 48), (3, 4, 48), (6, 8, 72), (2, 2, 96)])
def test_what_is_written_is_read_back(seed, upper, lower, beat):
    random = np.random.default_rng(seed)
    lengths = {
        48: [2, 8, 12, 16, 24, 36, 40, 48, 96, 100],
        72: [9, 24, 36, 72, 108],
        96: [8, 24, 32, 48, 64, 144],
    }
    in_bars, rows = bars(4, upper, lower, beat), []
    end = in_bars[-1].start + in_bars[-1].length
    for staff, voice in ((0, 0), (0, 1), (1, 0)):
        now = 0
        while now < end:
            length = min(int(random.choice(lengths[beat])), end - now)
            if random.random() < 0.8:
                low = 50 - 24 * staff + 12 * (1 - voice)
                rows += [
                    (now, length, pitch, staff, voice)
                    for pitch in set(random.integers(low, low + 12, 2).tolist())
                ]
            now += length
    fifths = int(random.integers(-7, 8))
    content = written(rows, [bar._replace(fifths=fifths) for bar in in_bars])
    expected = sorted((onset, length, pitch, staff) for onset, length, pitch, staff, _ in rows)
    tracks = sorted({row[3] for row in expected})
    assert sorted((*row[:3], tracks[row[3]]) for row in read_back(content)) == expected


def test_another_reader_finds_the_same_notes():
    converter = pytest.importorskip("music21").converter
    rows = [
        (0, 72, 61, 0, 0),
        (72, 16, 64, 0, 0),
        (88, 32, 67, 0, 0),
        (120, 100, 60, 0, 0),
        (0, 192, 40, 1, 0),
    ]
    score = converter.parseData(
        written(rows, [bar._replace(fifths=-3) for bar in bars(2)]), format="musicxml"
    ).stripTies()
    found = [
        (float(note.getOffsetInHierarchy(score) * 48), float(note.quarterLength * 48), note.pitch.midi)
        for note in score.recurse().notes
    ]
    assert sorted((round(a), round(b), c) for a, b, c in found) == sorted(row[:3] for row in rows)
    assert score.recurse().getElementsByClass("KeySignature").first().sharps == -3


def test_a_pick_up_is_an_implicit_measure():
    content = written([(-48, 48, 67, 0, 0), (0, 192, 72, 0, 0)], bars(1, pickup=48)).decode()
    assert re.findall(r'<measure number="(\d+)"( implicit="yes")?', content) == [
        ("0", ' implicit="yes"'),
        ("1", ""),
    ]
    assert parse_musicxml(content.encode(), "x").notes["onset"].tolist() == [3 * 10_080, 4 * 10_080]


def test_a_note_across_the_bar_is_tied():
    content = written([(144, 96, 60, 0, 0)], bars(2)).decode()
    assert re.findall(r'<tie type="(\w+)"/>', content) == ["start", "stop"]


def test_accidentals_stand_until_the_bar_ends():
    rows = [(at, 48, pitch, 0, 0) for at, pitch in ((0, 66), (48, 66), (96, 65), (192, 66), (240, 65))]
    signs = re.findall(r"<accidental>([\w-]+)</accidental>", written(rows, bars(2)).decode())
    assert signs == ["sharp", "natural", "sharp", "natural"]


MICROTONES = [(60, 50), (61, 50), (61, -50), (66, 23), (70, -50), (70, 31)]


def test_microtones_are_kept_and_shown_as_quarter_tones():
    rows = [(at * 192, 192, pitch, 0, 0, cents) for at, (pitch, cents) in enumerate(MICROTONES)]
    in_bars = [bar._replace(fifths=-2) for bar in bars(len(rows))]
    content = written(rows, in_bars)
    found = parse_musicxml(content, "x").notes[["pitch", "cents"]].tolist()
    assert [100 * pitch + cents for pitch, cents in found] == [100 * one + cents for one, cents in MICROTONES]
    signs = re.findall(r"<accidental>([\w-]+)</accidental>", content.decode())
    assert signs == [
        "quarter-sharp",
        "quarter-flat",
        "three-quarters-flat",
        "sharp",
        "three-quarters-flat",
        "quarter-flat",
    ]


def test_another_reader_finds_the_same_microtones():
    converter = pytest.importorskip("music21").converter
    rows = [(at * 192, 192, pitch, 0, 0, cents) for at, (pitch, cents) in enumerate(MICROTONES)]
    score = converter.parseData(written(rows, bars(len(rows))), format="musicxml")
    assert [round(100 * one.pitch.ps) for one in score.recurse().notes] == [
        100 * pitch + cents for pitch, cents in MICROTONES
    ]


def test_the_last_bar_has_a_final_bar_line():
    content = written([], bars(3)).decode()
    assert content.count("<barline") == 1
    assert content.rindex("light-heavy") > content.index('<measure number="3"')


def test_triplets_are_bracketed_beat_by_beat():
    content = written([(16 * step, 16, 60 + step, 0, 0) for step in range(6)], bars(1)).decode()
    assert content.count("<time-modification>") == 6
    assert re.findall(r'<tuplet type="(\w+)"', content) == ["start", "stop"] * 2


def test_rests_of_a_second_voice_are_not_printed():
    content = written([(0, 192, 72, 0, 0), (96, 96, 60, 0, 1)], bars(1)).decode()
    assert "<forward>" in content
    assert content.count("<rest") == 1  # the lower staff


def test_titles_are_escaped_and_the_origin_is_told():
    content = written([], bars(1), title="Tom & <Jerry>", origin="by hand").decode()
    assert "Tom &amp; &lt;Jerry&gt;" in content
    assert "<encoding-description>by hand<" in content


@pytest.mark.parametrize("row", [(0, 0, 60, 0, 0), (-1, 5, 60, 0, 0), (190, 5, 60, 0, 0)])
def test_notes_outside_the_bars_are_refused(row):
    with pytest.raises(ValueError, match="within its bars"):
        written([row], bars(1))


@pytest.mark.parametrize("beat", [48, 72, 96])
def test_symbols_fill_every_length(beat):
    unit = 3 if beat == 72 else 2
    for at in range(0, beat, unit):
        for length in range(unit, 3 * beat, unit):
            if beat == 72 or (length % 3 == 0) == (at % 3 == 0):
                assert sum(one.length for one in split(at, length, beat)) == length


def test_a_length_that_crosses_a_beat_shows_it():
    assert [one.length for one in split(36, 36, 48)] == [12, 24]
    assert [one.length for one in split(24, 48, 48)] == [48]  # a syncopation is read as one
    assert [one.length for one in split(0, 240, 48)] == [192, 48]
    assert split(0, 72, 48) == [SYMBOLS[72]]


def test_pitches_are_named_by_the_key():
    assert spelled(61, 0) == Spelling("C", 1, 4)
    assert spelled(61, -4) == Spelling("D", -1, 4)
    assert spelled(68, 0) == Spelling("G", 1, 4)  # the leading note of A minor
    assert spelled(60, 7) == Spelling("B", 1, 3)
    for fifths in range(-7, 8):
        assert sum(signature_of(fifths).values()) == fifths
        for pitch in range(128):
            step, alter, octave = spelled(pitch, fifths)
            assert 12 * (octave + 1) + NATURAL[step] + alter == pitch


def test_a_key_signature_is_written_where_it_changes():
    rows = [(192 * bar, 192, 66, 0, 0) for bar in range(4)]
    in_bars = [bar._replace(fifths=fifths) for bar, fifths in zip(bars(4), (0, 0, 2, 2), strict=True)]
    content = written(rows, in_bars).decode()
    assert [one.split("<")[0] for one in content.split("<fifths>")[1:]] == ["0", "2"]
    assert content.count("<time>") == 1
    assert content.count("<accidental>sharp") == 2  # F sharp belongs to the second key


def test_beams_join_the_notes_of_a_beat():
    eighth, sixteenth, quarter = SYMBOLS[24], SYMBOLS[12], SYMBOLS[48]
    voice = [(0, eighth), (24, sixteenth), (36, sixteenth), (48, quarter), (96, eighth), (120, None)]
    assert beams(voice, 48) == [["begin"], ["continue", "begin"], ["end", "end"], [], [], []]
    assert beams([(0, SYMBOLS[36]), (36, sixteenth)], 48) == [["begin"], ["end", "backward hook"]]
