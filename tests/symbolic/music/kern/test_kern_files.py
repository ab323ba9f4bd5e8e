"""Humdrum **kern: files as others write them, random and hostile ones."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_kern import C, D, E, F, kern, notes, onsets

from symbolic.errors import MusicFileError
from symbolic.music.files import read_music
from symbolic.music.kern.reader import parse_kern


class TestFiles:
    def test_line_ends_and_encodings(self):
        text = '**kern\r\n*I"Flöte\r\n4c\r4d\n'
        for content in (text, text.encode(), text.encode("latin-1"), ("\ufeff" + text).encode()):
            music = parse_kern(content, "x")
            assert (onsets(music), music.tracks) == ([(0, C), (1, D)], ("Flöte",))

    def test_a_file_is_read_by_its_suffix(self, tmp_path):
        (tmp_path / "a.KRN").write_text("**kern\n4c\n*-\n")
        assert onsets(read_music(tmp_path / "a.KRN")) == [(0, C)]

    @pytest.mark.parametrize(
        "content", ["", "no music", "**dynam\nf\n", "4c\n", b"\x00\xff", "**kern\n*^\n*v\n"]
    )
    def test_what_is_no_kern_is_refused(self, content):
        with pytest.raises(MusicFileError, match=r"x\.krn"):
            parse_kern(content, "x.krn")

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("4c\n*-", "no \\*\\*kern spine"),
            ("**kern **kern\n4c 4e", "line 1 has spaces between its spines. Put tabs"),
        ],
    )
    def test_files_without_spines_are_refused_with_the_reason(self, content, message):
        with pytest.raises(MusicFileError, match=message):
            parse_kern(content, "x.krn")

    def test_time_signatures_that_cannot_be_read_are_named(self):
        assert kern("*M3/3%2", "4c").repairs == ("time signatures left out (3/3%2): 1",)
        assert kern("*MM[Allegro]", "*Mxyz", "4c").repairs == ()

    def test_a_header_alone_has_no_notes(self):
        assert len(parse_kern("**kern\n*M4/4\n=1\n*-\n", "x")) == 0

    def test_lines_of_another_width_are_read_as_far_as_they_go(self):
        music = kern("4C 4c", "4D", "4E 4e 4f", "=2", "4F 4f", spines=2)
        assert onsets(music) == [(0, 48), (0, C), (1, 50), (2, 52), (2, E), (3, 53), (3, F)]
        assert "lines with too many or too few tokens: 2" in music.repairs
        assert "bar lines with too many or too few tokens: 1" in music.repairs

    def test_joins_without_a_partner_are_counted(self):
        assert kern("*v *", "*x *", "4C 4c", spines=2).repairs == (
            "joins or exchanges of a spine without a partner: 2",
        )

    @settings(max_examples=50, deadline=None)
    @given(st.text(alphabet="*^v+-x=!4c.kern\t\n [_]rq0%/M#", max_size=200))
    def test_any_text_is_read_or_refused(self, text):
        try:
            music = parse_kern("**kern\t**kern\n" + text, "x.krn")
        except MusicFileError:
            return
        assert np.all(music.notes["onset"] >= 0)

    @settings(max_examples=25, deadline=None)
    @given(st.binary(max_size=120))
    def test_any_bytes_are_read_or_refused(self, content):
        try:
            parse_kern(b"**kern\n4c\n" + content, "x.krn")
        except MusicFileError:
            return


@st.composite
def _scores(draw):
    """Draw a score of splits and joins, as text and as its notes: onset and length in sixteenths and pitch."""
    widths, lines, right, now = [1, 1], ["**kern\t**kern"], [], 0
    for _ in range(draw(st.integers(1, 8))):
        staff = draw(st.integers(0, 1))
        before = sum(widths[:staff])
        if widths[staff] < 4 and draw(st.booleans()):
            at = before + draw(st.integers(0, widths[staff] - 1))
            lines.append("\t".join("*^" if i == at else "*" for i in range(sum(widths))))
            widths[staff] += 1
        elif widths[staff] > 1:
            joined = draw(st.integers(2, widths[staff]))
            at = before + draw(st.integers(0, widths[staff] - joined))
            lines.append("\t".join("*v" if at <= i < at + joined else "*" for i in range(sum(widths))))
            widths[staff] -= joined - 1
        spines = [
            draw(st.lists(st.sampled_from([1, 2, 3, 4]), min_size=1, max_size=4)) for _ in range(sum(widths))
        ]
        length = max(map(sum, spines))
        rows: dict[int, list[str]] = {}
        for column, durations in enumerate(spines):
            start = 0
            for sixteenths in [*durations, *[1] * (length - sum(durations))]:
                pitch = draw(st.sampled_from([("c", C), ("F#", 54), ("bb-", 82), ("r", None)]))
                recip = {1: "16", 2: "8", 3: "8.", 4: "4"}[sixteenths]
                row = rows.setdefault(start, ["."] * len(spines))
                row[column] = f"{recip}{pitch[0]}"
                if pitch[1] is not None:
                    right.append((now + start, sixteenths, pitch[1]))
                start += sixteenths
        lines += ["\t".join(rows[at]) for at in sorted(rows)]
        now += length
        if draw(st.booleans()):
            lines.append("\t".join(["="] * len(spines)))
    return "\n".join(lines), sorted(right)


@settings(max_examples=25, deadline=None)
@given(_scores())
def test_random_splits_and_joins_keep_every_note(score):
    text, right = score
    music = parse_kern(text, "x")
    shift = notes(music)[0][0] - right[0][0] / 4 if right else 0  # of a pick-up
    assert notes(music) == [(at / 4 + shift, length / 4, pitch) for at, length, pitch in right]
    assert music.repairs == ()


def test_hostile_sizes_are_refused_or_read_in_time():
    assert len(parse_kern("**kern\n" + "=\n" * 20_000, "x")) == 0
    growing = ["**kern"] + ["\t".join(["*^"] * 2**k) for k in range(12)]
    assert len(parse_kern("\n".join([*growing, *["=", "4c", "*x"] * 500][: len(growing)]), "x")) == 0
    with pytest.raises(MusicFileError, match="line 14 has 1 tokens"):
        parse_kern("\n".join([*growing, "*^"]), "x")
    with pytest.raises(MusicFileError, match=r"2\^31"):
        parse_kern("**kern\n" + "000c\n" * 10_000, "x")
    primes = [n for n in range(2, 1000) if all(n % k for k in range(2, n))]
    assert len(parse_kern("**kern\n" + "\n".join(f"{n}c" for n in primes * 5), "x")) == 5 * len(primes)
