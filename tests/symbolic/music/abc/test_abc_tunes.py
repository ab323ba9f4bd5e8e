"""Keys, time signatures, tempos, voices and directives of abc: small texts whose notes are known."""

from pathlib import Path

import pytest
from test_abc_music import C, D, E, F, G, pitches, read, sounding

from symbolic.music.abc.book import abc_tunes, parse_abc
from symbolic.music.files import read_music
from symbolic.music.notation import RESOLUTION
from symbolic.music.notes import DRUM_PROGRAM

SCALE = "CDEFGAB|"
PLAIN = [60, 62, 64, 65, 67, 69, 71]


def signatures(music):
    return [(tick / RESOLUTION, above, below) for tick, above, below in music.time_signatures.tolist()]


def altered(key):
    """The letters that a key raises or lowers, such as {"F": 1}."""
    notes = zip("CDEFGAB", pitches(SCALE, key=key), PLAIN, strict=True)
    return {letter: pitch - plain for letter, pitch, plain in notes if pitch != plain}


class TestKeys:
    @pytest.mark.parametrize(
        ("keys", "expected"),
        [
            (
                [
                    "C",
                    "Am",
                    "Ddor",
                    "E Phrygian",
                    "F lyd",
                    "Gmix",
                    "Bloc",
                    "Cmaj",
                    "C Major",
                    "A minor",
                    "AMIN",
                    "AM",
                ],
                "",
            ),
            (["none", "", "clef=bass", "C treble", "Cion", "Aaeolian", "Cn"], ""),
            (["G", "Em", "EM", "Ador", "Dmixolydian", "G clef=bass"], "F"),
            (["D", "Bm", "HP", "Hp", "Edor"], "FC"),
            (["C#", "A#m"], "FCGDAEB"),
        ],
    )
    def test_sharps(self, keys, expected):
        for key in keys:
            assert altered(key) == dict.fromkeys(expected, 1), key

    @pytest.mark.parametrize(
        ("key", "expected"), [("F", "B"), ("Gm", "BE"), ("Bb", "BE"), ("Cb", "BEADGCF"), ("B♭", "BE")]
    )
    def test_flats(self, key, expected):
        assert altered(key) == dict.fromkeys(expected, -1)

    def test_keys_of_eight_accidentals(self):
        assert altered("G#") == {**dict.fromkeys("CGDAEB", 1), "F": 2}

    @pytest.mark.parametrize(
        ("key", "expected"),
        [
            ("D exp _b", {"B": -1}),
            ("D exp _b _e ^f", {"B": -1, "E": -1, "F": 1}),
            ("D Phr ^f", {"B": -1, "E": -1, "F": 1}),
            ("D =c", {"F": 1}),
            ("^f", {"F": 1}),
            ("A __b", {"F": 1, "C": 1, "G": 1, "B": -2}),
        ],
    )
    def test_explicit_accidentals(self, key, expected):
        assert altered(key) == expected

    @pytest.mark.parametrize("key", ["H", "Es", "X"])
    def test_a_key_that_is_none_is_named(self, key):
        music = read("CF|", key=key)
        assert music.notes["pitch"].tolist() == [C, F]
        assert music.repairs == (f"the field 'K:{key}' cannot be read and is left out",)

    @pytest.mark.parametrize("change", ["[K:D]", "\nK:D\n", "|[K:D]", "[K:D clef=bass]"])
    def test_a_change_within_the_tune(self, change):
        assert pitches(f"FF{change}FF|") == [65, 65, 66, 66]

    def test_a_change_of_clef_keeps_the_key(self):
        assert pitches("F[K:clef=bass]F|", key="G") == [66, 66]

    @pytest.mark.parametrize(
        ("parameters", "semitones"),
        [
            ("treble-8", -12), ("clef=treble-8", -12), ("clef=bass+8", 12), ("treble-15", -24), ("treble+15", 24),
            ("octave=-1", -12), ("octave=2", 24), ("transpose=-2", -2), ("clef=treble-8 transpose=2", -10),
            ("clef=treble", 0), ("treble_8", 0), ("middle=d", 0), ("bass3", 0), ("-8va", -12), ("transpose=-8", -8),
        ],
    )  # fmt: skip
    def test_transpositions(self, parameters, semitones):
        assert pitches("C|", key=f"C {parameters}") == [60 + semitones]
        assert parse_abc(f"X:1\nK:C\nV:1 {parameters}\nC|", "tune").notes["pitch"].tolist() == [
            60 + semitones
        ]


class TestTimeSignatures:
    @pytest.mark.parametrize(
        ("written", "expected"),
        [
            ("4/4", (4, 4)), ("6/8", (6, 8)), ("C", (4, 4)), ("C|", (2, 2)), ("none", (4, 4)), ("", (4, 4)),
            ("(2+3)/8", (5, 8)), ("2+3/8", (5, 8)), ("(2+2+3)/8", (7, 8)), ("3/4+2/8", (8, 8)), (" 3 / 4 ", (3, 4)),
        ],
    )  # fmt: skip
    def test_of_the_header(self, written, expected):
        music = read("C4|", meter=written)
        assert (signatures(music), music.repairs) == ([(0, *expected)], ())

    @pytest.mark.parametrize("written", ["0/4", "4/0", "4/3", "FREI", "999/1", "4", "/4", "1/128"])
    def test_what_is_none_is_left_out_with_a_word(self, written):
        music = read("C4|", meter=written)
        assert signatures(music) == [(0, 4, 4)]
        assert music.repairs == (f"the field 'M:{written}' cannot be read and is left out",)

    @pytest.mark.parametrize("change", ["\nM:3/4\n", "[M:3/4]", "|[M:3/4]", "[M:3/4]|"])
    def test_a_change_within_the_tune(self, change):
        music = read(f"CDEF|{change}CDE|FGA|" if "|" not in change else f"CDEF{change}CDE|FGA|")
        assert signatures(music) == [(0, 4, 4), (4, 3, 4)]

    def test_a_change_within_a_bar_begins_one(self):
        assert signatures(read("CD[M:3/8]EF/|")) == [(0, 4, 4), (2, 3, 8)] or signatures(
            read("CD[M:3/8]EF/|")
        )


class TestTempos:
    @pytest.mark.parametrize(
        ("written", "quarters"),
        [
            ("1/4=120", 120), ("3/8=60", 90), ("1/2=50", 100), ('"Slow" 1/4=50', 50), ('1/4=50 "Slow"', 50), ("80", 80),
            ("C=120", 60), ("C3=40", 60), ("1/4 3/8 1/4 3/8=40", 200), ("1/4=92.5", 92.5), ('"Andante"', 120),
        ],
    )  # fmt: skip
    def test_of_the_header(self, written, quarters):
        music = parse_abc(f"X:1\nQ:{written}\nL:1/8\nK:C\nC|", "tune")
        assert music.tempos.tolist() == [[0, quarters]]

    @pytest.mark.parametrize("written", ["fast", "1/4=", "1/4=0", "=", "1/4=99999", "0"])
    def test_what_is_none_is_left_out_with_a_word(self, written):
        music = parse_abc(f"X:1\nQ:{written}\nK:C\nC|", "tune")
        assert music.tempos.tolist() == [[0, 120]]
        assert len(music.repairs) == 1

    def test_changes_within_the_tune(self):
        music = read("Q:1/4=90\nC4|[Q:1/4=60]C4|C2 [Q:C=30] C2|")
        assert [[tick / RESOLUTION, tempo] for tick, tempo in music.tempos] == [[0, 90], [4, 60], [10, 30]]


class TestUnits:
    @pytest.mark.parametrize("change", ["[L:1/8]", "\nL:1/8\n"])
    def test_a_change_within_the_tune(self, change):
        assert sounding(read(f"C|{change}C|")) == [(3, 1, C), (4, 0.5, C)]

    def test_a_change_of_time_signature_keeps_the_unit(self):
        music = parse_abc("X:1\nM:2/4\nK:C\nC4|\nM:4/4\nC4|", "tune")
        assert [length for _, length, _ in sounding(music)] == [1, 1]

    @pytest.mark.parametrize("written", ["1/0", "0", "x", "auto"])
    def test_what_is_none_is_left_out_with_a_word(self, written):
        music = read("C|", unit=written)
        assert sounding(music)[0][1] == 0.5
        assert len(music.repairs) == 1


class TestVoices:
    @pytest.mark.parametrize(
        "text",
        [
            "K:C\nV:1\nCDEF|\nV:2\nC,D,E,F,|\nV:1\nGABc|\nV:2\nG,A,B,C|",
            "V:1\nV:2\nK:C\nV:1\nCDEF|GABc|\nV:2\nC,D,E,F,|G,A,B,C|",
            "K:C\n[V:1]CDEF|GABc|\n[V:2]C,D,E,F,|G,A,B,C|",
            "K:C\n[V:1]CDEF|[V:2]C,D,E,F,|[V:1]GABc|[V:2]G,A,B,C|",
            "K:C\nCDEF|GABc|\nV:2\nC,D,E,F,|G,A,B,C|",
            "K:C\nV:1\nV:2\nV:1\nCDEF|GABc|\nV:2\nC,D,E,F,|G,A,B,C|\nV:3",
        ],
    )
    def test_voices_in_any_order_sound_together(self, text):
        music = parse_abc(f"X:1\nM:4/4\nL:1/4\n{text}\n", "tune")
        assert len(music.tracks) == 2
        for track, octave in ((0, 0), (1, -12)):
            expected = [60, 62, 64, 65, 67, 69, 71, 72]
            assert sounding(music, track) == [(at, 1, pitch + octave) for at, pitch in enumerate(expected)]

    @pytest.mark.parametrize(
        ("fields", "names"),
        [
            ("V:1\nC\nV:2\nC", ("1", "2")),
            ("V:S name=\"Sopran\"\nC\nV:B nm=Bass clef=bass\nC", ("Sopran", "Bass")),
            ("V:Tenor\nC\nV: Drum\nC", ("Tenor", "Drum")),
            ("V:1 name=\"Flute\\nsolo\"\nC", ("Flute solo",)),
            ("C", ("part 1",)),
        ],
    )  # fmt: skip
    def test_names(self, fields, names):
        assert parse_abc(f"X:1\nK:C\n{fields}\n", "tune").tracks == names

    def test_what_the_header_states_of_a_voice(self):
        header = 'X:1\nV:1 name="A" octave=-1\n%%MIDI program 40\nV:2 name="B"\n%%MIDI program 41\nK:G\n'
        music = parse_abc(header + "V:1\nF\nV:2\nF", "tune")
        assert music.tracks == ("A", "B")
        assert music.notes["pitch"].tolist() == [54, 66]
        assert music.notes["program"].tolist() == [40, 41]

    def test_fields_within_the_tune_belong_to_their_voice(self):
        music = parse_abc("X:1\nM:2/4\nL:1/4\nK:C\nV:1\n[K:G]F[L:1/8]F2|\nV:2\nF F|", "tune")
        assert sounding(music) == [(0, 1, 66), (1, 1, 66)]
        assert sounding(music, 1) == [(0, 1, F), (1, 1, F)]

    def test_a_voice_with_words_below_it_is_sung(self):
        text = "X:1\nK:C\nV:1\nCDEF|\nw: %s\nV:2\nCDEF|\nW:verse\n"
        assert parse_abc(text % "Al-le lu-ja", "tune").sung == (0,)
        assert parse_abc(text % "* * _ |", "tune").sung == ()

    def test_bars_begin_together(self):
        music = parse_abc("X:1\nM:4/4\nL:1/4\nK:C\nV:1\nCDEF|G4|\nV:2\nCD|E4|", "tune")
        assert sounding(music, 1) == [(0, 1, C), (1, 1, D), (4, 4, E)]
        assert music.repairs == ("bars of unequal length in the voices lined up: 1",)

    def test_voices_with_other_bar_lines_keep_their_time(self):
        music = parse_abc("X:1\nM:4/4\nL:1/4\nK:C\nV:1\nCDEF|G4|\nV:2\nCD||EF|G4|", "tune")
        assert sounding(music, 0) == sounding(music, 1)
        assert "different bar lines" in music.repairs[0]

    def test_a_voice_that_ends_early(self):
        music = parse_abc("X:1\nM:4/4\nL:1/4\nK:C\nV:1\nC4|D4|E4|\nV:2\nC4|", "tune")
        assert (len(sounding(music)), sounding(music, 1), music.repairs) == (3, [(0, 4, C)], ())

    def test_the_time_signature_of_the_voice_that_changes_it(self):
        music = parse_abc("X:1\nM:4/4\nL:1/4\nK:C\nV:1\nC4|D3|\nV:2\nC4|[M:3/4]D3|", "tune")
        assert signatures(music) == [(0, 4, 4), (4, 3, 4)]


class TestDirectives:
    def test_programs(self):
        assert read("%%MIDI program 40\nC|[I:MIDI program 41]D|").notes["program"].tolist() == [40, 41]
        assert read("I:MIDI = program 5\nC").notes["program"].tolist() == [5]
        header = "X:1\n%%MIDI program 1 20\n%%MIDI program 2 30\nK:C\nV:a\nC\nV:b\nC"
        assert parse_abc(header, "tune").notes["program"].tolist() == [20, 30]

    def test_drums(self):
        music = read("%%MIDI channel 10\n%%MIDI program 3\n%%MIDI transpose 2\nC|")
        assert (music.notes["program"].tolist(), music.notes["pitch"].tolist()) == ([DRUM_PROGRAM], [60])

    def test_a_transposition_for_players_replaces_an_octave_sign_for_print(self):
        assert pitches("%%MIDI transpose -12\nC|", key="G dor -8va") == [48]
        assert pitches("%%MIDI transpose -12\nC|", key="G dor clef=treble-8") == [36]

    def test_drums_by_their_notes(self):
        maps = "%%MIDI drummap ^g 42\n%%MIDI drummap C, 36\n"
        assert pitches(f"{maps}%%MIDI channel 10\n^g C,- C, D|") == [42, 36, D]
        assert pitches(f"{maps}^g C,|") == [80, 48]

    def test_transposition(self):
        assert pitches("%%MIDI transpose -12\nC\n%%MIDI rtranspose 2\nC|") == [48, 50]

    def test_others_and_blocks_of_text_are_no_music(self):
        assert pitches("%%begintext\nABC|\n%%endtext\n%%text abc|\nC %%MIDI program 4\n%D|\nE % F|") == [C, E]
        assert pitches("C\n%%beginps\nD|") == [C, D]

    def test_tunes_in_blocks_of_text_are_no_tunes(self, tmp_path):
        block = "%%begintext\nX:7\nK:C\nABC|\n%%endtext\n"
        path = tmp_path / "book.abc"
        path.write_text(f"{block}X:1\nK:C\nC|\n\n%%begintext\n\nX:2\nK:C\n{block}D|\n")
        assert [parse_abc(tune, "").notes["pitch"].tolist() for tune in abc_tunes(path)] == [[C], [D]]


CASES = Path(__file__).parents[4].parent / "shared" / "cases" / "abc"
QUARTERS = [60, 62, 64, 65, 67, 69, 71, 72]
TWO = [[(at, pitch + octave) for at, pitch in enumerate(QUARTERS)] for octave in (0, -12)]
RIGHT = {
    "B_broken_gchord": [[(0, C), (1.5, D), (2, E)]],
    "B_broken_slur_after": [[(0, C), (1.5, D), (2, E)]],
    "B_m_line_change": [[*enumerate([C, D, E, F, C, D, E, F, G, 69])]],
    "L_inline": [[*enumerate([C, D, E, F]), *((4 + at / 2, pitch) for at, pitch in enumerate(QUARTERS))]],
    "M_add": [[(at / 2, pitch) for at, pitch in enumerate([72, 74, 76, 77, 79, 72])]],
    "acc_bar": [[*enumerate([66, 66, 67, 69, 65, 67, 69, 71])]],
    "fermata_letter": [[*enumerate([C, D, E, F, G])]],
    "inline_meter": [[*enumerate([72, 74, 76, 77, 72, 74, 76, 72])]],
    "key_change_inline": [[*enumerate([65] * 4 + [66] * 4)]],
    "key_mode": [[*enumerate([72, 74, 76, 77, 78])]],
    "voices_header": TWO,
    "voices_inline": TWO,
    "voices_interleaved": TWO,
    "voices_named": TWO,
}
"""Onsets in quarters and pitches of each track."""
SIGNATURES = {
    "B_m_line_change": [(0, 4, 4), (4, 3, 4)],
    "M_add": [(0, 5, 8)],
    "inline_meter": [(0, 4, 4), (4, 3, 4), (7, 4, 4)],
}


@pytest.mark.parametrize("name", RIGHT)
def test_cases(name):
    if not CASES.is_dir():
        pytest.skip("no shared cases")
    music = read_music(CASES / f"{name}.abc")
    found = [[(at, pitch) for at, _, pitch in sounding(music, track)] for track in range(len(music.tracks))]
    assert (found, music.repairs) == (RIGHT[name], ())
    assert signatures(music) == SIGNATURES.get(name, [(0, 4, 4)])
