"""Books and lines of abc: what goes on, what is left out, and what is refused."""

import random
from contextlib import suppress
from itertools import pairwise

import pytest
from test_abc_music import C, D, E, F, G, pitches, read, sounding
from test_abc_tunes import signatures

from symbolic.errors import MusicFileError
from symbolic.music.abc.book import abc_tunes, parse_abc, parse_abc_file
from symbolic.music.abc.tunes import book_and_number, with_tunes
from symbolic.music.files import read_music
from symbolic.music.notation import RESOLUTION


class TestLines:
    def test_fields_that_are_no_music(self):
        fields = "\n".join(f"{letter}:abc|" for letter in "ABCDFGHNORSTWZrsw")
        assert pitches(f"C\n{fields}\nD [r:abc] E [N:abc] [P:A]F") == [C, D, E, F]

    def test_lines_that_go_on(self):
        assert pitches("CD\\\nEF|\\\n") == [C, D, E, F]

    def test_fields_that_go_on(self):
        tune = "X:1\nL:1/4\nV:1 % first\n% a comment\n+:octave=1\nK:C\n+: exp ^f\nC F|\nw:la\n+:la"
        assert parse_abc(tune, "tune").notes["pitch"].tolist() == [C + 12, F + 13]

    def test_macros(self):
        assert pitches("m: ~G2 = G/A/G\nC ~G2|") == [C, G, 69, G]
        assert pitches("m: ~G2 = A/A/A\nm:A = B\n~G2/ ~G24|") == [G, G]

    def test_macros_of_any_note(self):
        assert sounding(read("m:~n2 = n/o/m\n~G2 G2|")) == [(0, 0.5, G), (0.5, 0.5, 69), (1, 1, F), (2, 2, G)]
        assert pitches('m:Tn = !trill!n"ho"u/\nTC TB, Tc\' C|') == [C, 72, 59, 71, 84, 96, C]

    def test_macros_that_cannot_be_read_are_named(self):
        music = read(f"m:~G2 = {'A' * 201}\nm: = B\nC|")
        assert len(music.repairs) == 2
        assert all("cannot be read" in repair for repair in music.repairs)

    def test_characters_that_mean_nothing_are_counted(self):
        music = read("C § D # E ü|")
        assert music.notes["pitch"].tolist() == [C, D, E]
        assert music.repairs == ("characters that mean nothing in abc left out: 3",)

    def test_a_chord_without_an_end_is_read_as_notes_with_a_word(self):
        music = read("[CE D|")
        assert music.notes["pitch"].tolist() == [C, E, D]
        assert music.repairs == ("characters that mean nothing in abc left out: 1",)

    def test_an_empty_line_ends_the_tune(self):
        music = read("C|\n\nD|E|\nabc de\nF|")
        assert music.notes["pitch"].tolist() == [C]
        assert music.repairs == ("lines of music after an empty line left out: 2",)

    def test_text_between_the_fields_of_the_header(self):
        music = parse_abc("X:1\nT:a\nN bars 3 and 4|\n\nL:1/4\nK:C\nC|", "tune")
        assert music.notes["pitch"].tolist() == [C]
        assert music.repairs == ("lines of the header that are no fields left out: 1",)


class TestBooks:
    def test_tunes_without_an_x_field(self):
        assert parse_abc_file(b"T:a\nL:1/4\nK:C\nCD|", "a.abc").notes["pitch"].tolist() == [C, D]

    def test_a_tune_without_a_key(self):
        assert parse_abc("X:1\nL:1/4\nCD|", "tune").notes["pitch"].tolist() == [C, D]

    def test_a_tune_without_notes(self):
        assert len(parse_abc("X:1\nK:C\n", "tune")) == 0
        assert len(parse_abc("X:1\nK:C\nz4|", "tune")) == 0

    def test_a_file_of_several_tunes_is_refused(self):
        with pytest.raises(MusicFileError, match=r"it holds 2 tunes. Name one .* as in book.abc#12"):
            parse_abc_file(b"X:1\r\nK:C\r\nC|\r\n\r\nX:2\r\nK:G\r\nF|\r\n", "book.abc")

    def test_a_tune_is_named_by_its_number(self, tmp_path):
        book = tmp_path / "Book #1.ABC"
        book.write_text("X:7\nL:1/4\nK:C\nC|\n\nX:12\nL:1/4\nK:G\nF|\n")
        (tmp_path / "odd.abc#2").write_text("no book")
        (tmp_path / "one.abc").write_text("X:1\nK:C\nC|\n")
        names = list(with_tunes(["Book #1.ABC", "one.abc", "none.abc", "x.mid"], tmp_path))
        assert names == ["Book #1.ABC#7", "Book #1.ABC#12", "one.abc", "none.abc", "x.mid"]
        music = read_music(f"{book}#12")
        assert (music.notes["pitch"].tolist(), music.path) == ([66], f"{book}#12")
        with pytest.raises(MusicFileError, match=r"Book #1.ABC: it holds no tune 3\."):
            read_music(tmp_path / "Book #1.ABC#3")
        assert book_and_number(str(tmp_path / "odd.abc#2")) == (str(tmp_path / "odd.abc#2"), "")

    @pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
    def test_line_ends(self, end, tmp_path):
        (tmp_path / "book.abc").write_bytes(
            f"L:1/4{end}{end}X:1{end}K:C{end}C{end}X:2{end}K:G{end}F".encode()
        )
        tunes = [parse_abc(tune, "tune") for tune in abc_tunes(tmp_path / "book.abc")]
        assert [sounding(tune) for tune in tunes] == [[(0, 1, C)], [(0, 1, 66)]]

    def test_further_tunes_are_left_out_with_a_word(self):
        music = parse_abc("X:1\nK:C\nC\nX:2\nK:C\nD", "tune")
        assert music.notes["pitch"].tolist() == [C]
        assert music.repairs == ("tunes after the first left out: 1",)

    @pytest.mark.parametrize(
        "encoded",
        ["X:1\nT:é\nK:C\nC|".encode(code) for code in ("utf-8", "utf-8-sig", "latin-1", "utf-16")],
    )
    def test_encodings(self, encoded):
        assert parse_abc_file(encoded, "a.abc").notes["pitch"].tolist() == [C]

    def test_naturals_as_mail_programs_write_them(self):
        assert parse_abc_file(b"X:1\nL:1/4\nK:G\nF=3DF|", "a.abc").notes["pitch"].tolist() == [66, 65]

    def test_lines_of_the_header_of_a_book(self, tmp_path):
        book = "L:1/4\nM:3/4\n%%MIDI program 7\n\nX:1\nK:C\nC\n\nX:2\nM:4/4\nL:1/8\nK:C\nC\n"
        (tmp_path / "book.abc").write_text(book)
        one, two = (parse_abc(tune, "tune") for tune in abc_tunes(tmp_path / "book.abc"))
        assert (sounding(one), signatures(one)) == ([(0, 1, C)], [(0, 3, 4)])
        assert (sounding(two), signatures(two)) == ([(0, 0.5, C)], [(0, 4, 4)])
        assert one.notes["program"].tolist() == two.notes["program"].tolist() == [7]

    @pytest.mark.parametrize("content", [b"", b"no tune", b"\0\1\2", b"C|D|E|"])
    def test_what_is_no_abc_is_refused(self, content, tmp_path):
        (tmp_path / "a.abc").write_bytes(content)
        with pytest.raises(MusicFileError, match=r"a\.abc: it holds no tune"):
            read_music(tmp_path / "a.abc")


class TestLimits:
    @pytest.mark.parametrize(
        "body",
        ["C999999999|", "Z99999999|", "C9999999999999999999|", "[V:1]C" + "(99:1:1C999999999" * 9],
    )
    def test_music_beyond_the_time_of_midi_is_refused(self, body):
        with pytest.raises(MusicFileError, match="tune"):
            read(body)

    @pytest.mark.parametrize(
        "body",
        [
            *(character * 4_001 for character in '[{!+":(^'),
            *(pair * 2_000 for pair in ("+C", "C-", "C>", "C&", "1+")),
            *("A" + ">" * 4_000, "C" + "," * 4_000, "[" + "C" * 4_000 + "]", "M:" + "1+" * 1_000),
            *("%%begintext\n" * 2_000, "[K:G]" * 1_000),
            "".join(f"C/{99_990_000 + i}" for i in range(2_000)),
            "C|" * 2_000 + "&&C|" * 1_000 + "(&C|" * 500,
            "".join(f"m:{letter} = {following * 200}\n" for letter, following in pairwise("ABCDEFGabcdefg")),
        ],
    )
    @pytest.mark.timeout(20)
    def test_hostile_text_takes_time_in_proportion_to_its_length(self, body):
        read(f"{body}\nC|")

    @pytest.mark.parametrize("seed", range(20))
    def test_damaged_tunes_are_read_or_refused(self, seed):
        rng = random.Random(seed)
        tune = 'X:1\nM:4/4\nL:1/8\nQ:1/4=90\nV:1 name="a"\nK:Bb\nV:1\n'
        tune += '|:"C"!trill!C>D{e}[CE-G]2 (3EFG|[M:3/4]z^F_A-A & C3|Z2|\n' * 2
        pieces = [*'{[">&\n\0é', "(3", "\n\n", "[V:2]", "V:", "M:0/0\n", "Q:\n", "Z9", "///", "K:", "X:3\n"]
        for _ in range(50):
            text = list(tune)
            for _ in range(rng.randrange(1, 8)):
                at = rng.randrange(len(text))
                text[at : at + rng.randrange(4)] = rng.choice([*pieces, chr(rng.randrange(256))])
            with suppress(MusicFileError):
                assert parse_abc("".join(text), "tune").resolution == RESOLUTION
