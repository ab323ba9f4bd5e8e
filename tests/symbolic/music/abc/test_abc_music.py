"""Music text of abc: every construct as a small text whose notes are known."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symbolic.music.abc.book import parse_abc
from symbolic.music.notation import RESOLUTION

C, D, E, F, G, A, B = 60, 62, 64, 65, 67, 69, 71


def read(body, key="C", meter="4/4", unit="1/4"):
    return parse_abc(f"X:1\nM:{meter}\nL:{unit}\nK:{key}\n{body}\n", "tune")


def sounding(music, track=0):
    """Onset and length in quarters, and pitch, of each note of a track, by onset and pitch."""
    notes = music.notes[music.notes["track"] == track]
    return sorted((n["onset"] / RESOLUTION, n["duration"] / RESOLUTION, int(n["pitch"])) for n in notes)


def pitches(*args, **options):
    return read(*args, **options).notes["pitch"].tolist()


def lengths(*args, **options):
    return [length for _, length, _ in sounding(read(*args, **options))]


class TestPitches:
    def test_octaves(self):
        assert pitches("C,, C, C c c' c''|") == [36, 48, 60, 72, 84, 96]
        assert pitches("c, C'|") == [60, 72]

    def test_accidentals(self):
        assert pitches("^C|_D|=B|^^F|__E|", key="Db") == [61, 61, 71, 67, 62]

    @pytest.mark.parametrize("bar", ["|", "||", "|]", ":|", ".|", "[|", "|:", "::", "|1", ":|2", "|[1"])
    def test_an_accidental_holds_to_the_end_of_its_bar(self, bar):
        assert pitches(f"^F F G F {bar} F") == [66, 66, 67, 66, 65]

    @pytest.mark.parametrize(
        ("spread", "expected"),
        [("", [66, 78, 66]), ("pitch", [66, 78, 66]), ("octave", [66, 77, 66]), ("not", [66, 77, 65])],
    )
    @pytest.mark.parametrize("written", ["%%propagate-accidentals {}\n", "I:propagate-accidentals {}\n"])
    def test_whose_accidental_it_is(self, spread, expected, written):
        assert pitches(written.format(spread) * bool(spread) + "^F f F|") == expected

    def test_an_accidental_replaces_the_one_before(self):
        assert pitches("^F F =F F _F F|", key="G") == [66, 66, 65, 65, 64, 64]

    def test_an_accidental_of_a_grace_note_holds(self):
        assert pitches("{^F}G F|F") == [66, 67, 66, 65]

    def test_a_tie_keeps_an_accidental_across_the_bar_line(self):
        assert sounding(read("^F4-|F2 F2|")) == [(0, 6, 66), (6, 2, 65)]

    def test_microtones_are_cents_of_the_nearest_note(self):
        music = read("^/C _/D ^3/2C ^1/4E _3/4G|")
        assert music.notes["pitch"].tolist() == [60, 62, 61, 64, 66]
        assert music.notes["cents"].tolist() == [50, -50, 50, 25, 25]
        assert not music.repairs

    def test_microtones_hold_in_bars_ties_and_keys(self):
        music = read("B ^/f f-|f f =B|", key="G _/B")
        assert music.notes["pitch"].tolist() == [71, 77, 77, 78, 71]
        assert music.notes["cents"].tolist() == [-50, 50, 50, 0, 0]
        assert music.notes["duration"].tolist() == [
            RESOLUTION,
            RESOLUTION,
            2 * RESOLUTION,
            RESOLUTION,
            RESOLUTION,
        ]

    def test_notes_that_midi_lacks_are_left_out_with_a_word(self):
        music = read("C,,,,,,,, C c''''''''|")
        assert music.notes["pitch"].tolist() == [60]
        assert music.repairs == ("notes outside MIDI's pitches left out: 2",)


class TestLengths:
    @pytest.mark.parametrize(
        ("written", "quarters"),
        [("C", 1), ("C3", 3), ("C3/2", 1.5), ("C/2", 0.5), ("C/", 0.5), ("C//", 0.25), ("C///", 0.125), ("C3/", 1.5),
         ("C/4", 0.25), ("C0", 1), ("C/0", 0.5), ("z3/2", None), ("x2", None)],
    )  # fmt: skip
    def test_multiples(self, written, quarters):
        assert lengths(f"{written} D|")[:-1] == [quarters] * (quarters is not None)

    @pytest.mark.parametrize(
        ("written", "expected"),
        [
            ("C>D", [1.5, 0.5]),
            ("C<D", [0.5, 1.5]),
            ("C>>D", [1.75, 0.25]),
            ("C<<<D", [0.125, 1.875]),
            ("C > D", [1.5, 0.5]),
            ("C>(D", [1.5, 0.5]),
            ("(C>D)", [1.5, 0.5]),
            ('C>"G"D', [1.5, 0.5]),
            ("C>!trill!D", [1.5, 0.5]),
            ("C>~D", [1.5, 0.5]),
            ("C>D E<F", [1.5, 0.5, 0.5, 1.5]),
            ("C2>D2", [3, 1]),
            ("C/>D/", [0.75, 0.25]),
            ("z>D", [0.5]),
            ("D>z E", [1.5, 1]),
            ("C>D2", [2, 1]),  # unequal: the sum stays
            ("C<D3", [0.5, 3.5]),
        ],
    )
    def test_broken_rhythm(self, written, expected):
        assert lengths(f"{written}|") == expected

    def test_broken_rhythm_of_chords_and_around_graces(self):
        assert sounding(read("[CE]>{d}G|")) == [(0, 1.5, C), (0, 1.5, E), (1.5, 0, 74), (1.5, 0.5, G)]
        assert sounding(read("C{d}>E|")) == [(0, 1.5, C), (1.5, 0, 74), (1.5, 0.5, E)]

    def test_broken_rhythm_of_a_tied_note(self):
        assert sounding(read("C>D-D|")) == [(0, 1.5, C), (1.5, 1.5, D)]

    def test_a_mark_of_broken_rhythm_before_a_bar_line_is_noted(self):
        music = read("CD>|EF|")
        assert [length for _, length, _ in sounding(music)] == [1, 1, 1, 1]
        assert music.repairs == ("characters that mean nothing in abc left out: 1",)

    @pytest.mark.parametrize(
        ("written", "meter", "expected"),
        [
            ("(3CDE F", "4/4", [2 / 3] * 3 + [1]),
            ("(2CD E", "6/8", [1.5] * 2 + [1]),
            ("(4CDEF G", "6/8", [0.75] * 4 + [1]),
            ("(5CDEFG A", "4/4", [0.4] * 5 + [1]),
            ("(5CDEFG A", "6/8", [0.6] * 5 + [1]),
            ("(6CDEFGA B", "4/4", [1 / 3] * 6 + [1]),
            ("(7CDEFGAB c", "9/8", [3 / 7] * 7 + [1]),
            ("(3:2:2C2D E", "4/4", [4 / 3, 2 / 3, 1]),
            ("(3::2C2D E", "4/4", [4 / 3, 2 / 3, 1]),
            ("(3:4CDE F", "4/4", [4 / 3] * 3 + [1]),
            ("((3CDE) F", "4/4", [2 / 3] * 3 + [1]),
            ("(3CzE F", "4/4", [2 / 3] * 2 + [1]),
            ("(3[CE]{g}D\"x\"E F", "4/4", [2 / 3] * 2 + [0] + [2 / 3] * 2 + [1]),
            ("(3C>DE F", "4/4", [1, 1 / 3, 2 / 3, 1]),
            ("(0CD", "4/4", [1, 1]),
        ],
    )  # fmt: skip
    def test_tuplets(self, written, meter, expected):
        assert lengths(f"{written}|", meter=meter) == pytest.approx(expected, abs=1e-4)

    def test_a_tuplet_is_exact(self):
        music = read("(3CDE (7CDEFGAB C|")
        assert music.notes["onset"].tolist()[-1] == 4 * RESOLUTION

    def test_unit_length_follows_from_the_time_signature(self):
        assert lengths_of_header("M:2/4") == 0.25
        assert lengths_of_header("M:3/4") == 0.5
        assert lengths_of_header("M:C") == 0.5
        assert lengths_of_header("M:none") == 0.5
        assert lengths_of_header("") == 0.5


def lengths_of_header(header):
    return sounding(parse_abc(f"X:1\n{header}\nK:C\nC|", "tune"))[0][1]


class TestChords:
    def test_chords(self):
        assert sounding(read("[CEG]2 A|")) == [(0, 2, C), (0, 2, E), (0, 2, G), (2, 1, A)]

    def test_lengths_within_a_chord_are_multiplied_and_the_first_counts(self):
        assert sounding(read("[C2E3G]2 A|")) == [(0, 2, G), (0, 4, C), (0, 6, E), (4, 1, A)]

    def test_what_stands_within_a_chord(self):
        assert sounding(read('[!trill!C"x"^E.G] A|')) == [(0, 1, C), (0, 1, F), (0, 1, G), (1, 1, A)]

    @pytest.mark.parametrize("chord", ["+CE+ G", "+C E + G"])
    def test_chords_of_abc_1(self, chord):
        assert sounding(read(f"{chord}|")) == [(0, 1, C), (0, 1, E), (1, 1, G)]

    @pytest.mark.parametrize("tie", ["[CE]4-|[CE]2", "[C-E-]4|[CE]2", "[CE]4-|\n[EC]2", "[CE]4|-[CE]2"])
    def test_chords_are_tied(self, tie):
        assert sounding(read(f"{tie} G2|")) == [(0, 6, C), (0, 6, E), (6, 2, G)]

    def test_one_note_of_a_chord_is_tied(self):
        assert sounding(read("[CE-]4|[CE]2|")) == [(0, 4, C), (0, 6, E), (4, 2, C)]


class TestTies:
    @pytest.mark.parametrize(
        "tie", ["G3-|G3", "G3-G3", "G3-|\nG3", "G3 - | G3", "G3|-G3", "(G3-|G3)", 'G3-|"C"!trill!G3']
    )
    def test_ties(self, tie):
        assert sounding(read(f"{tie}|E3|", meter="3/4")) == [(0, 6, G), (6, 3, E)]

    def test_a_tie_of_three_notes(self):
        assert sounding(read("G4-|G4-|G4|")) == [(0, 12, G)]

    @pytest.mark.parametrize("written", ["G2-A2|G", "G2-z2|G", "G-A G", "G2-\\\nA2"])
    def test_a_tie_to_another_note_joins_nothing(self, written):
        assert len(read(written)) == len([c for c in written if c.isalpha() and c != "z"])

    def test_a_tie_is_no_slur(self):
        assert sounding(read("(G2G2)|")) == [(0, 2, G), (2, 2, G)]

    def test_a_tie_to_the_same_key_of_the_piano(self):
        assert sounding(read("^F2-_G2|")) == [(0, 4, 66)]


class TestOrnaments:
    @pytest.mark.parametrize(
        "mark",
        [
            *"HIJKLMNOPQRSTUVWhijklmnopqrstuvw~.!`",
            *("!trill!", "!D.C.!", "+fermata+", "!f!", "+ff+", "+p+", "!8va(!", "!>!", "u.~"),
            *('"Am7"', '"^slow"', '"_a b c"', "{}"),
        ],
    )
    def test_marks_before_a_note_change_nothing(self, mark):
        assert sounding(read(f"C {mark}D {mark}E F|G4|")) == [
            (0, 1, C),
            (1, 1, D),
            (2, 1, E),
            (3, 1, F),
            (4, 4, G),
        ]

    def test_grace_notes_take_no_time(self):
        assert sounding(read("{gf}C {/e}D {[ce]}E|"))[:4] == [(0, 0, 77), (0, 0, 79), (0, 1, C), (1, 0, 76)]
        assert lengths("{gf}C {/e}D {[ce]}E|").count(1) == 3

    def test_spacers_take_no_time(self):
        assert lengths("C y D y20 E|") == [1, 1, 1]

    def test_a_quotation_without_an_end_takes_its_line(self):
        music = read('C"D E F|\nG|')
        assert music.notes["pitch"].tolist() == [C, G]
        assert music.repairs == ("quotations without an end taken to end with their lines: 1",)


class TestBars:
    @pytest.mark.parametrize("rest", ["Z2|", "Z2", "X2|", "Z|Z|", "z8|", "x4|x4|"])
    def test_bars_of_rest(self, rest):
        assert sounding(read(f"C4|{rest}D4|")) == [(0, 4, C), (12, 4, D)]

    def test_repeats_and_endings_are_read_in_written_order(self):
        assert pitches("|:C4|[1D4:|[2E4:|\n|1F4:|2G4||[A4B4]|") == [C, D, E, F, G, A, B]

    def test_a_pickup_and_a_bar_that_a_repeat_sign_divides(self):
        music = read("G|:CDEF|GAB:|\n|:c|CDEF|]")
        assert sounding(music)[0] == (3, 1, G)
        assert music.time_signatures.tolist() == [[0, 4, 4]]

    def test_overlays_go_back_to_the_start_of_the_bar(self):
        assert sounding(read("CDEF & G,4 | C4|")) == [
            (0, 1, C),
            (0, 4, 55),
            (1, 1, D),
            (2, 1, E),
            (3, 1, F),
            (4, 4, C),
        ]

    @pytest.mark.parametrize(
        "overlaid",
        [
            "C4 | D4 &&\nE4 | F4 | G4 |",
            "C4 | D4 |\n&& E4 | F4 | G4 |",
            "(& C4 | D4 & E4 | F4 &) | G4 |",
            "(& E4- | D4 & C4 | F4 &) | G4 |",
        ],
    )
    def test_overlays_of_several_bars(self, overlaid):
        assert sounding(read(overlaid)) == [(0, 4, C), (0, 4, E), (4, 4, D), (4, 4, F), (8, 4, G)]

    def test_an_overlay_of_several_bars_begins_within_one(self):
        bars = "C2 (& D2 | E2 & F2 | G2 &) A2 | B4 |"
        expected = [(0, 2, C), (2, 2, D), (2, 2, F), (4, 2, E), (4, 2, G), (6, 2, A), (8, 4, B)]
        assert sounding(read(bars)) == expected

    def test_a_tie_leads_out_of_an_overlay_of_several_bars(self):
        assert (4, 8, D) in sounding(read("(& C4 | D4- & E4 | F4 &) | D4 |"))

    @pytest.mark.parametrize("bars", ["C4 | D4 && E5 | F3 |", "C4 |&& D4 |", "C4 | && E4 &)&&&& |"])
    def test_overlays_that_do_not_fit_are_counted(self, bars):
        assert len(read(bars).repairs) == 1

    def test_a_tie_leads_out_of_an_overlay(self):
        assert sounding(read("C4 & G,4-|G,4 & C4|")) == [(0, 4, C), (0, 8, 55), (4, 4, C)]

    def test_ties_that_end_together_go_on_in_their_own_layer(self):
        tune = "z2 C2- & z C3- | {} & {} |"
        assert sounding(read(tune.format("C3", "C2"))) == [(1, 5, C), (2, 5, C)]
        assert sounding(read(tune.format("C2", "C3"))) == [(1, 6, C), (2, 4, C)]
        assert sounding(read("(& z2 C2- | C3 & z C3- | C2 &) |")) == [(1, 5, C), (2, 5, C)]

    def test_a_bar_line_that_begins_a_line_after_a_letter_is_no_field(self):
        assert pitches("C D E\nG:|\nA|") == [C, D, E, G, A]


@given(
    st.lists(
        st.tuples(st.integers(36, 96), st.sampled_from([1, 2, 3, 4, 6, 8, 12]), st.booleans(), st.booleans()),
        min_size=1,
        max_size=40,
    )
)
def test_random_tunes(notes):
    """Notes of given pitch and length in 16ths, some of them rests, some followed by a bar line."""
    names = ["C", "^C", "D", "^D", "E", "F", "^F", "G", "^G", "A", "^A", "B"]
    text, expected, now = "", [], 0
    for pitch, length, rests, ends in notes:
        octave, step = divmod(pitch - 60, 12)
        name = names[step] if len(names[step]) > 1 else f"={names[step]}"
        text += "z" if rests else name + ("'" * octave if octave > 0 else "," * -octave)
        text += f"{length}" + " |" * ends
        if not rests:
            expected.append((now / 4, length / 4, pitch))
        now += length
    found = sounding(read(text, unit="1/16"))
    shift = found[0][0] - expected[0][0] if expected else 0  # a pick-up
    assert [(onset - shift, length, pitch) for onset, length, pitch in found] == expected
