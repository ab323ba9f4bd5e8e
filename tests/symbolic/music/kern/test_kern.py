"""Humdrum **kern: every construct with its right notes."""

from fractions import Fraction

import pytest

from symbolic.music.kern.reader import parse_kern
from symbolic.music.kern.tokens import parse_token, pitch_of
from symbolic.music.notation import RESOLUTION

C, D, E, F, G, A, B = 60, 62, 64, 65, 67, 69, 71


def kern(*lines, spines=1):
    """Read lines whose tokens are separated by single blanks, or by tabs if they hold any."""
    lines = ["\t".join(["**kern"] * spines), *lines]
    return parse_kern("\n".join(line if "\t" in line else line.replace(" ", "\t") for line in lines), "x.krn")


def notes(music, track=None):
    """Return the onset and length in quarters and the pitch of each note, by time."""
    found = music.notes if track is None else music.notes[music.notes["track"] == track]
    columns = (found["onset"] / RESOLUTION, found["duration"] / RESOLUTION, found["pitch"])
    return sorted(zip(*(column.tolist() for column in columns), strict=True))


def onsets(music):
    return sorted((at, pitch) for at, _, pitch in notes(music))


class TestTokens:
    @pytest.mark.parametrize(
        ("token", "pitch"),
        [
            ("c", 60), ("C", 48), ("cc", 72), ("CC", 36), ("b-", 70), ("B--", 57), ("f#", 66), ("F##", 55), ("gn", 67),
            ("c-", 59), ("4.ee-X/L", 75), ("(8ccc#J)", 85), ("[2AA_y", 45), ("4r", None), ("", None),
            # Other signs may stand between the letters and the accidental: all of these are in polish_scores.
            ("1b.-", 70), ("16ff>#\\", 78), ("2e\\-", 63), ("8cn#X/", 61), ("8eyye", 76),
            ("8gyyg#yy", 80), ("8D<D/", 38),
        ],
    )  # fmt: skip
    def test_pitches(self, token, pitch):
        assert pitch_of(token) == pitch

    @pytest.mark.parametrize(
        ("token", "quarters"),
        [
            ("4c", 1), ("1c", 4), ("0c", 8), ("00c", 16), ("000c", 32), ("4.c", Fraction(3, 2)),
            ("4..c", Fraction(7, 4)),
            ("12c", Fraction(1, 3)), ("3%2c", Fraction(8, 3)), ("1%3c", 12), ("0.c", 12), ("20c", Fraction(1, 5)),
            ("@16@4c", 1), ("@@32@@2c", 2), ("@4c", 1), ("8@c@", Fraction(1, 2)),
            ("8%9r", Fraction(9, 2)), ("281c", Fraction(4, 281)), ("(>16cL", Fraction(1, 4)), ("8qc", 0), ("qqc", 0),
        ],
    )  # fmt: skip
    def test_durations(self, token, quarters):
        parsed = parse_token(token)
        assert Fraction(parsed.length) == quarters * Fraction(parse_token("4r").length)
        assert [note.length for note in parsed.notes] == ([quarters] if "r" not in token else [])

    def test_a_chord_has_the_duration_of_its_first_note(self):
        parsed = parse_token("8F^ FF [4a")
        assert [(n.length, n.pitch, n.tie) for n in parsed.notes] == [
            (0.5, 53, ""),
            (0.5, 41, ""),
            (1, 69, "start"),
        ]
        assert parsed.length * 2 == parse_token("4c").length

    @pytest.mark.parametrize("token", ["4", "4yy", "x", "?", "99999c c", "4..........."])
    def test_what_is_no_note_is_counted(self, token):
        assert parse_token(token).unread == (token != "99999c c")


class TestSpines:
    def test_splits_and_joins(self):
        music = kern("4c", "*^", "4d 4f", "4e 4g", "*v *v", "4c")
        assert onsets(music) == [(0, C), (1, D), (1, F), (2, E), (2, G), (3, C)]

    def test_splits_within_splits(self):
        music = kern("*^", "2c 2e", "* *^", "2d 2f 2a", "* *v *v", "*v *v", "2g")
        assert onsets(music) == [(0, C), (0, E), (2, D), (2, F), (2, A), (4, G)]

    def test_three_spines_become_one_at_once(self):
        music = kern("*^", "*^ *", "2c 2e 2g", "*v *v *v", "2d")
        assert onsets(music) == [(0, C), (0, E), (0, G), (2, D)]

    def test_neighbouring_staves_join_each_for_itself(self):
        music = kern("*^ *^", "2C 2E 2c 2e", "*v *v *v *v", "2D 2d", spines=2)
        assert onsets(music) == [(0, 48), (0, 52), (0, C), (0, E), (2, 50), (2, D)]
        assert notes(music, 0)[-1] == (2, 2, D)

    def test_a_join_across_staves(self):
        assert onsets(kern("4C 4c", "*v *v", "4d", spines=2)) == [(0, 48), (0, C), (1, D)]

    def test_exchanges(self):
        music = kern('*I"low *I"high', "4C 4c", "*x *x", "4d 4D", spines=2)
        assert (notes(music, 0), music.tracks) == ([(0, 1, C), (1, 1, D)], ("high", "low"))

    def test_added_and_ended_spines(self):
        music = kern("4C", "*+", "** **kern".replace("** ", "*\t"), "4D 4d", "4E 4e", "*- *", "4f", "*-")
        assert onsets(music) == [(0, 48), (1, 50), (1, D), (2, 52), (2, E), (3, F)]

    def test_the_staff_left_of_lyrics_is_sung(self):
        words = ["**kern\t**text\t**kern\t**silbe\t**kern", "4C\t.\t4c\t|A-\t4e", "4C\t|\t4d\t|men\t4e"]
        assert parse_kern("\n".join(words), "x").sung == (1,)  # the uppermost is the first track
        long = [words[0], *words[1:2], *["4C\t.\t4c\t.\t4e"] * 20]
        assert parse_kern("\n".join(long), "x").sung == ()  # a cue
        split = [words[0], "*\t*\t*^\t*\t*", "4C\t|Ja\t4c\t4g\t.\t4e"]
        assert parse_kern("\n".join(split), "x").sung == (2,)

    def test_a_second_header_goes_on(self):
        assert onsets(kern("1c", "=2", "*-", "**kern", "1d", "*-")) == [(0, C), (4, D)]

    def test_a_spine_that_ends_early_waits_for_the_join(self):
        assert onsets(kern("*^", "4c 2e", "4d .", "*v *v", "4f")) == [(0, C), (0, E), (1, D), (2, F)]
        assert onsets(kern("*^", "4c 4e", "4d .", "*v *v", "4f")) == [(0, C), (0, E), (1, D), (2, F)]

    def test_other_spines_are_passed_over(self):
        text = (
            "**text\t**kern\t**dynam\t**mens\n4a\t4c\tf\tSc\n*\t*^\t*\t*\n.\t4d\t4f\t4c\t.\n4b\t.\t.\t<\t4d\n"
        )
        assert onsets(parse_kern(text, "x")) == [(0, C), (1, D), (1, F)]

    def test_null_tokens_and_comments(self):
        music = kern("!! 4c", "2C\t4c", "!\t!LO:TX:a:t=4d", ".\t4d", "", ".\t.", "4D\t4e", spines=2)
        assert onsets(music) == [(0, 48), (0, C), (1, D), (2, 50), (2, E)]

    def test_notes_that_sound_across_bar_lines(self):
        music = kern("*M4/4 *M4/4", "1.C 2c", ". 2d", "=2 =2", ". 2e", "2D 2f", "=3 =3", "1E 1g", spines=2)
        assert onsets(music) == [(0, 48), (0, C), (2, D), (4, E), (6, 50), (6, F), (8, 52), (8, G)]
        assert music.time_signatures.tolist() == [[0, 4, 4]]
        assert music.repairs == ()

    def test_bars_in_which_nothing_begins(self):
        music = kern(
            "*M2/4 *M2/4", "0C 0c", "=2 =2", ". .", "=3 =3", ". .", "=4 =4", ". .", "=5 =5", "2D 2d", spines=2
        )
        assert (onsets(music)[2:], len(music.time_signatures)) == ([(8, 50), (8, D)], 1)

    def test_an_underfull_voice_waits_for_the_bar(self):
        music = kern("*M4/4 *M4/4", "4C 2c", ". 2d", "=2 =2", "1D 1e", spines=2)
        assert onsets(music) == [(0, 48), (0, C), (2, D), (4, 50), (4, E)]
        assert music.repairs == ("bars whose spines stand at different times: 1",)

    def test_an_overfull_voice_does_not_delay_the_others(self):
        music = kern(
            "*M4/4 *M4/4 *M4/4", "1C 1c 1g", "=2 =2 =2", "1.C 1d 1a", "=3 =3 =3", "1D 1e 1b", spines=3
        )
        assert onsets(music)[-3:] == [(8, 50), (8, E), (8, B)]


class TestNotes:
    def test_ties(self):
        assert notes(kern("2e", "[2c", "=2", "4c_", "2c]", "4c")) == [(0, 2, E), (2, 5, C), (7, 1, C)]

    def test_a_tie_may_end_and_begin_on_one_note(self):
        assert notes(kern("[4c", "][4c", "[4c]", "4c]")) == [(0, 4, C)]

    def test_ties_over_splits_joins_and_chords(self):
        music = kern("[2c [2e", "*^ *", "4c] 2g 2e_", "4d . .", "*v *v *", "2d 4e]", spines=2)
        assert notes(music, 0) == [(0, 5, E)]
        assert notes(music, 1) == [(0, 3, C), (2, 2, G), (3, 1, D), (4, 2, D)]

    def test_ties_across_the_staves_of_a_part(self):
        assert notes(kern("*part1 *part1", "[4c 4r", "4r 4c]", spines=2)) == [(0, 2, C)]

    @pytest.mark.parametrize("ends", ["4c] 2c]", "2c] 4c]"])
    def test_ties_that_end_together_go_on_in_their_own_spine(self, ends):
        staves = notes(kern("*part1 *part1", "4r [2c", "[4c .", ends, spines=2))
        split = notes(kern("*^", "4r [2c", "[4c .", ends, "*v *v"))
        assert staves == split == ([(0, 4, C), (1, 2, C)] if ends.startswith("4") else [(0, 3, C), (1, 3, C)])

    def test_the_end_of_a_tie_without_its_beginning_is_a_note(self):
        assert notes(kern("4c]", "4d_")) == [(0, 1, C), (1, 1, D)]

    def test_grace_notes_take_no_time(self):
        assert notes(kern("4c", "8qd", "qqe", "4f")) == [(0, 1, C), (1, 0, D), (1, 0, E), (1, 1, F)]

    def test_tuplets(self):
        music = kern("4C 12c", ". 12d", ". 12e", "4D 6f", ". 12g", spines=2)
        assert [round(3 * at) for at, _ in onsets(music)] == [0, 0, 1, 2, 3, 3, 5]
        assert music.notes["onset"].tolist().count(RESOLUTION) == 2

    def test_uncommon_durations_are_exact(self):
        music = kern(*["281c"] * 281, "4d")
        assert notes(music)[-1] == (4, 1, D)

    def test_invisible_rests_and_notes(self):
        assert onsets(kern("4ryy", "4cyy", "4d")) == [(1, C), (2, D)]

    def test_rests_may_have_a_place(self):
        assert onsets(kern("4rcc", "4c", "2.r  ", "4d")) == [(1, C), (5, D)]

    def test_notes_without_a_duration_are_quarters_and_counted(self):
        music = kern("4c", "d", "e e-", "4f")
        assert notes(kern("4c", "d", "e", "4f")) == [(0, 1, C), (1, 1, D), (2, 1, E), (3, 1, F)]
        assert music.repairs[0].startswith("notes without a duration read as quarters: ")

    def test_what_is_not_read_is_counted(self):
        music = kern("4c", "4yy", "4Re/", "zz", "4d")
        assert onsets(music) == [(0, C), (3, D)]
        assert set(music.repairs) == {"tokens that are no notes: 2", "unpitched notes left out: 1"}


class TestBars:
    def test_a_pickup_is_moved_to_the_end_of_a_bar(self):
        music = kern("*M3/4", "4c", "=1", "4d", "4e", "4f", "=2", "4g")
        assert onsets(music) == [(2, C), (3, D), (4, E), (5, F), (6, G)]
        assert music.time_signatures.tolist() == [[0, 3, 4]]

    def test_time_signatures_change(self):
        music = kern("*M4/4", "1c", "=2", "*M6/8", "4.d", "4.e", "=3", "*M3/2", "1.f")
        assert (music.time_signatures / [RESOLUTION, 1, 1]).tolist() == [[0, 4, 4], [4, 6, 8], [7, 3, 2]]

    def test_a_time_signature_before_the_bar_line_holds_after_it(self):
        music = kern("*M4/4", "1c", "*M2/4", "=2", "2d")
        assert (music.time_signatures / [RESOLUTION, 1, 1]).tolist() == [[0, 4, 4], [4, 2, 4]]

    def test_a_time_signature_within_a_bar(self):
        music = kern("*M4/4", "1c", "=2", "2d", "*M3/8", "4.e", "=3", "4.f")
        assert (music.time_signatures / [RESOLUTION, 1, 1]).tolist() == [[0, 4, 4], [6, 3, 8]]

    def test_a_bar_line_within_a_bar_begins_none(self):
        music = kern("*M4/4", "1c", "=2", "2d", "=:|!|:", "2e", "=3", "1f")
        assert music.time_signatures.tolist() == [[0, 4, 4]]

    @pytest.mark.parametrize(("token", "right"), [("*M2+3/8", [5, 8]), ("*M3/0", [6, 1]), ("*M2/1", [2, 1])])
    def test_uncommon_time_signatures(self, token, right):
        assert kern(token, "4c").time_signatures[0, 1:].tolist() == right

    @pytest.mark.parametrize("token", ["*M3/3", "*M0/4", "*M99999/4", "*M4/99999"])
    def test_impossible_time_signatures_are_left_out_and_named(self, token):
        music = kern(token, "4c")
        assert music.time_signatures.tolist() == [[0, 4, 4]]
        assert music.repairs == (f"time signatures left out ({token[2:]}): 1",)

    def test_tempos(self):
        music = kern("*MM90", "4c", "*MM[Allegro]", "4d", "*MM120.5", "4e", "*MM0", "4f")
        assert (music.tempos / [RESOLUTION, 1]).tolist() == [[0, 90], [2, 120.5]]

    def test_other_signatures_change_nothing(self):
        assert onsets(kern("*k[b-e-]", "*met(c|)", "*E-:", "*clefF4", "*8va", "4e", "*X8va", "4B")) == [
            (0, E),
            (1, 59),
        ]


class TestParts:
    def test_the_uppermost_part_is_the_first_track(self):
        music = kern('*I"Basso\t*I"Canto', "*Icello\t*Ivioln", "4C\t4c", spines=2)
        assert music.tracks == ("Canto", "Basso")
        assert sorted(music.notes[["track", "pitch", "program"]].tolist()) == [(0, 60, 40), (1, 48, 42)]

    def test_spines_of_one_part_number_are_one_track(self):
        music = kern("*part2 *part1 *part1", "*staff3 *staff2 *staff1", "4C 4c 4e", spines=3)
        assert music.notes["track"].tolist() == [0, 0, 1]

    def test_both_staves_of_a_keyboard_are_one_track(self):
        music = kern("*Icello *Ipiano *Ipiano", "4C 4c 4e", spines=3)
        assert (len(music.tracks), music.tracks[0]) == (2, "piano")

    @pytest.mark.parametrize("header", ['*I"One\t*I"Two', "*part1\t*part2", "*Iorgan\t*"])
    def test_two_keyboards_are_two_tracks(self, header):
        assert len(kern("*Ipiano\t*Ipiano", header, "4c\t4e", spines=2).tracks) == 2

    def test_an_instrument_may_change(self):
        assert kern("*Iflt", "4c", "*Ipicco", "4d").notes["program"].tolist() == [73, 72]

    @pytest.mark.parametrize(
        ("token", "program"),
        [
            ("*Ioboe", 68),
            ("*Itromb&Ituba", 57),
            ('*I"Violino II', 40),
            ("*ICvox", 52),
            ("*Iempty", 0),
            ("*Iorgan", 19),
        ],
    )
    def test_programs(self, token, program):
        assert kern(token, "4c").notes["program"].tolist() == [program]

    @pytest.mark.parametrize("token", ["*Itrngl", '*I"Triangolo'])
    def test_unpitched_instruments_are_drums(self, token):
        music = kern(token, "4f", "4R", "[4f", "4f]")
        assert music.notes[["pitch", "program"]].tolist() == [(81, 128)] * 3

    @pytest.mark.parametrize(
        ("name", "drum"),
        [("P.Tambour", 38), ("13.Gr.Caſsa", 36), ("Tambur.Grande", 36), ("Werbel.Tombasso", 38)],
    )
    def test_drums_are_found_by_their_names(self, name, drum):
        assert notes(kern(f'*I"{name}', "4Re/")) == [(0, 1, drum)]

    @pytest.mark.parametrize("name", ["Banda", "[Batteria]"])
    def test_unpitched_notes_of_a_band_are_a_bass_drum(self, name):
        music = kern(f'*I"{name}', "4Re/", "4c")
        assert music.notes[["pitch", "program"]].tolist() == [(36, 128), (C, 0)]

    @pytest.mark.parametrize("token", ["*Itimpa", '*I"Timpani.D.A.'])
    def test_timpani_without_a_pitch_are_left_out_with_a_word(self, token):
        music = kern(token, "4Re/", "4D")
        assert (onsets(music), music.repairs) == ([(1, D - 12)], ("unpitched notes left out: 1",))

    def test_transposing_instruments_sound_as_written_in_kern(self):
        assert onsets(kern("*ITrd1c2", "*k[b-]", "4c")) == [(0, C)]

    def test_a_transposed_spine_is_put_back(self):
        assert onsets(kern("*Trd1c2", "4d", "*Trd-7c-12", "4C")) == [(0, C), (1, C)]


def test_the_cases_that_were_read_wrongly():
    split = kern(
        "*M3/4",
        "=1",
        "*^",
        "2.c 2.e",
        "=2 =2",
        "* *^",
        "2.d 2.f 2.a",
        "* *v *v",
        "=3 =3",
        "2.e 2.g",
        "*v *v",
        "==",
        "*-",
    )
    assert onsets(split) == [(0, C), (0, E), (3, D), (3, F), (3, A), (6, E), (6, G)]
    again = kern(
        "*M4/4 *M4/4", "=1 =1", "* *^", "2C 2c 2e", "2D 2d 2f", "* *v *v", "=2 =2", "* *^", "* * *^", "2E 2g 2b 2dd",
        "2F 2a 2cc 2ee", "* *v *v *v", "=3 =3", "1G 1cc", "== ==", "*- *-", spines=2,
    )  # fmt: skip
    assert len(again) == 16
