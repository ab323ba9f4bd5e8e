"""MusicXML files: archives, encodings, and what is damaged or hostile."""

import io
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made import SHARED
from musicxml_text import chord, note, notes, score

from symbolic.errors import MusicFileError
from symbolic.music.files import read_music
from symbolic.music.musicxml import source
from symbolic.music.musicxml.reader import parse_musicxml

FULL = notes("C4 D4 E4 F4")
TEXT = score([FULL, chord("C4 E4 G4", 4)], listed=["<part-name>Mélodie</part-name>"])


def archive(**members: str | bytes) -> bytes:
    """An .mxl file. `container` is its container, other members are scores."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr("META-INF/container.xml" if name == "container" else name, content)
    return packed.getvalue()


class TestArchives:
    def test_the_file_that_the_container_names_is_read(self):
        other = score([FULL] * 5)
        members = {"a.xml": other, "b/real.xml": TEXT}
        container = '<container><rootfiles><rootfile full-path="b/real.xml"/></rootfiles></container>'
        assert len(parse_musicxml(archive(container=container, **members), "score")) == 7
        assert len(parse_musicxml(archive(**members), "score")) == 20

    def test_a_picture_that_the_container_names_too_is_no_score(self):
        container = '<rootfile full-path="a.pdf" media-type="application/pdf"/><rootfile full-path="b.xml"/>'
        assert (
            len(parse_musicxml(archive(**{"container": container, "a.pdf": "%PDF", "b.xml": TEXT}), "")) == 7
        )

    @pytest.mark.parametrize(
        "container",
        [
            pytest.param("<rootfile full-path='Mary's.xml'/>", id="unescaped"),  # as in 93 files of OpenEWLD
            pytest.param("<rootfile full-path='Mary&apos;s.xml'/>", id="escaped"),
            pytest.param("<rootfile full-path='elsewhere.xml'/>", id="wrong name"),
            pytest.param("", id="empty"),
            pytest.param(None, id="absent"),
        ],
    )
    def test_with_any_container(self, container):
        members = {} if container is None else {"container": container}
        packed = archive(
            **members, **{"__MACOSX/._a.xml": "", "Mary's.xml": TEXT, "other.xml": score([FULL])}
        )
        assert len(parse_musicxml(packed, "score")) == 7

    @pytest.mark.parametrize("suffix", [".mxl", ".xml", ".musicxml"])
    def test_content_and_not_the_suffix_says_what_is_packed(self, tmp_path, suffix):
        for content in (TEXT.encode(), archive(**{"a.xml": TEXT})):
            path = tmp_path / f"score{suffix}"
            path.write_bytes(content)
            assert len(read_music(path)) == 7

    def test_what_grows_without_end_is_not_unpacked(self, monkeypatch):
        monkeypatch.setattr(source, "MAX_XML_BYTES", 10_000)
        with pytest.raises(MusicFileError, match="more than 10,000 bytes"):
            parse_musicxml(archive(**{"a.xml": " " * 10_001}), "bomb.mxl")

    def test_damaged_archives(self):
        packed = archive(**{"a.xml": TEXT})
        assert packed.startswith(b"PK")
        for damaged in (packed[:100], b"PK\x03\x04 no archive", archive(**{"readme.txt": "nothing"})):
            with pytest.raises(MusicFileError, match=r"score\.mxl"):
                parse_musicxml(damaged, "score.mxl")


@pytest.mark.parametrize(
    ("declared", "encoding"),
    [
        ("UTF-8", "utf-8"),
        ("UTF-8", "utf-8-sig"),
        ("UTF-8", "latin-1"),
        ("UTF-8", "utf-16"),
        ("UTF-16", "utf-16"),
        ("UTF-16", "utf-16-le"),
        ("ISO-8859-1", "latin-1"),
        ("windows-1252", "cp1252"),
        ("nonsense", "utf-8"),
    ],
)
def test_every_encoding_is_read(declared, encoding):
    text = TEXT.replace('"UTF-8"', f'"{declared}"')
    assert parse_musicxml(text.encode(encoding), "score").tracks == ("Mélodie",)


@pytest.mark.parametrize("wrong", ["\n \t" + TEXT, TEXT + "\0" * 9, TEXT.replace("<score-", "<score-", 1)])
def test_what_stands_around_a_score_is_passed_over(wrong):
    assert len(parse_musicxml(wrong.encode(), "score")) == 7


def test_a_namespace_is_passed_over():
    text = TEXT.replace("<score-partwise", '<score-partwise xmlns="http://www.musicxml.org/xsd/MusicXML"')
    assert len(parse_musicxml(text.encode(), "score")) == 7


DOCTYPE = '<!DOCTYPE score-partwise PUBLIC "-//Recordare//DTD MusicXML 4.0 Partwise//EN" "partwise.dtd"{}>'


def with_doctype(inside: str) -> str:
    return TEXT.replace("<score-partwise", DOCTYPE.format(inside) + "<score-partwise")


def test_the_usual_doctype_is_no_offence():
    assert len(parse_musicxml(with_doctype("").encode(), "score")) == 7


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entities_are_refused(encoding):
    bomb = '[<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;">]'
    with pytest.raises(MusicFileError, match="entities"):
        parse_musicxml(with_doctype(bomb).encode(encoding), "score")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "cut off, or no XML"),
        (TEXT[:700], "cut off, or no XML"),
        ("<html><body>404</body></html>", "a web page"),
        ("<museScore/>", "<museScore>"),
        (score(), "no parts"),
        (score([FULL]).replace("<divisions>12", f"<divisions>{2**30}"), ""),
        ("<score-partwise>" + "<part>" * 10_000, "cut off, or no XML"),
        (f"<score-partwise><part>{'<measure/>' * 131_073}</part></score-partwise>", "131,073 measures"),
        ("<score-partwise>" + "<part><measure/></part>" * 4_097 + "</score-partwise>", "4,097 parts"),
        (
            "<score-timewise>"
            + "".join(f'<measure><part id="{i}"/></measure>' for i in range(3000))
            + "</score-timewise>",
            "3,000 measures in 3,000 parts",
        ),
    ],
)
def test_what_is_no_score(content, reason):
    if not reason:
        assert len(parse_musicxml(content.encode(), "score")) == 4
        return
    with pytest.raises(MusicFileError, match=reason):
        parse_musicxml(content.encode(), "score.xml")


def test_too_many_tags_are_refused_before_a_tree_is_made(monkeypatch):
    monkeypatch.setattr(source, "_MAX_TAGS", 50)
    with pytest.raises(MusicFileError, match="more than 50 tags"):
        parse_musicxml(TEXT.encode(), "score")


def test_divisions_without_a_common_measure_are_refused():
    odd = "".join(f"<attributes><divisions>{2**30 + 2 * i + 1}</divisions></attributes>" for i in range(99))
    with pytest.raises(MusicFileError, match="common measure"):
        parse_musicxml(score([odd + FULL]).encode(), "score")


def test_times_outside_of_midi_are_refused():
    with pytest.raises(MusicFileError, match=r"2\^31 ticks"):
        parse_musicxml(score([note().replace(">12<", ">2000000000<")] * 3).encode(), "score")


@pytest.mark.parametrize("value", ["NaN", "", "-", "1e999999999", "9" * 5000, "٣x", "inf", "0x10"])
@pytest.mark.parametrize("tag", ["duration", "octave", "alter", "divisions", "beats", "beat-type", "staff"])
def test_values_that_are_no_numbers_never_end_in_a_traceback(tag, value):
    first = note("F#4", staff=1)
    text = score([first + FULL + first]).replace(f"<{tag}>", f"<{tag}>{value}<!-- -->", 1)
    music = parse_musicxml(text.encode(), "score")
    assert 5 <= len(music) <= 6


def test_a_score_without_divisions_has_one_to_the_quarter():
    text = score([FULL]).replace("<divisions>12</divisions>", "").replace(">12<", ">1<")
    assert parse_musicxml(text.encode(), "score").notes["onset"].tolist() == [0, 10080, 20160, 30240]


@settings(max_examples=60)
@given(st.data())
def test_mutated_scores_end_in_music_or_in_words(data):
    """Values and tags that are changed, doubled or cut out give music or a `MusicFileError`."""
    content = bytearray(TEXT.encode())
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(content) - 1))
        end = start + data.draw(st.integers(0, 40))
        content[start:end] = data.draw(
            st.one_of(
                st.binary(max_size=3), st.sampled_from([b"-9", b"<note>", b"<chord/>", bytes(content[end:])])
            )
        )
        if not content:
            return
    try:
        music = parse_musicxml(bytes(content), "score")
    except MusicFileError:
        return
    assert len(music) < 100


def _beats(pitch, start, end):
    return [(at, 1, pitch) for at in range(start, end)]


CASES = SHARED / "cases" / "musicxml"
RIGHT = {
    "D_dup_staff": [[(0, 4, 72), (4, 4, 69)], [(4, 4, 52)]],
    "D_first_part_forward": [[(0, 1, 72), *_beats(60, 4, 8)], [*_beats(48, 0, 4), *_beats(50, 4, 8)]],
    "D_underfull_one_part_mid": [
        _beats(60, 0, 16),
        [*_beats(48, 0, 4), *_beats(50, 4, 7), *_beats(52, 8, 12), *_beats(53, 12, 16)],
    ],
    "chord_between": [[(0, 1, 65), (0, 1, 69), *_beats(67, 1, 4), (4, 4, 64)]],
    "chord_short": [[(0, 2, 60), (0, 1, 64), (2, 2, 67)]],
    "crossstaff": [[(0, 1, 72), (1, 1, 74), (2, 1, 76), (4, 4, 79)], [(3, 1, 53), (4, 4, 48)]],
    "metre_mid": [[*_beats(60, 0, 2), *((2 + at / 2, 0.5, 62 + at // 3 * 2) for at in range(6))]],
    "slide": [[*_beats(60, 0, 5), *_beats(62, 5, 8)], _beats(50, 5, 8)],
    "sound_ca": [_beats(60, 0, 4)],
    "transpose_8vb": [_beats(48, 0, 4)],
    "transpose_later": [[*_beats(60, 0, 4), *_beats(58, 4, 8)]],
}
"""Onset and length in quarters and pitch of the notes of each track."""


@pytest.mark.skipif(not CASES.is_dir(), reason="the shared cases are not here")
@pytest.mark.parametrize("name", RIGHT)
def test_cases(name):
    music = read_music(CASES / f"{name}.musicxml")
    for track, right in enumerate(RIGHT[name]):
        found = music.notes[music.notes["track"] == track]
        times = (found["onset"] / music.resolution, found["duration"] / music.resolution, found["pitch"])
        found = list(zip(*(one.tolist() for one in times), strict=True))
        assert sorted(found) == sorted(right)


@pytest.mark.skipif(not CASES.is_dir(), reason="the shared cases are not here")
def test_tempos_and_time_signatures_of_cases():
    assert read_music(CASES / "D_two_roots.mxl").tempos[:, 1].tolist() == [50, 200]
    assert read_music(CASES / "sound_ca.musicxml").tempos[:, 1].tolist() == [60]
    metre = read_music(CASES / "metre_mid.musicxml")
    assert (metre.time_signatures / [metre.resolution, 1, 1]).tolist() == [[0, 4, 4], [2, 3, 8]]
