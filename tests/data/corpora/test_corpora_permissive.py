"""polish_scores, orchestra and art_melody, made small."""

import zipfile

import pytest

from data.corpora import open_corpus
from data.corpora.art_melody import ArtMelodyCorpus
from data.corpora.orchestra import OrchestraCorpus
from data.corpora.polish_scores import PolishScoresCorpus, source_of
from symbolic.checkpoint.licence import is_permissive
from symbolic.music.midi.writer import write_midi
from symbolic.music.notes import Music, note_array

XML = """<score-partwise><part-list><score-part id="P1"><part-name>A</part-name></score-part>{}</part-list>
<part id="P1"><measure number="1"><attributes><divisions>1</divisions>
<time><beats>2</beats><beat-type>4</beat-type></time></attributes>{}</measure></part>{}</score-partwise>"""


def note(step, octave):
    return f"<note><pitch><step>{step}</step><octave>{octave}</octave></pitch><duration>1</duration></note>"


def write_mxl(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("score.xml", text)


@pytest.fixture
def polish(tmp_path):
    heads = {
        PolishScoresCorpus.marker: "!!!COM: Chopin, Fryderyk\n!!!AGN: Secular; Mazurka\n!!!cenid: 18xx:1",
        "pl-kk/kern/pl-kk--kk-i-7--093_x--y.krn": "!!!cenid: 16xx:9\r\n!!!COM: Anonim\r\n!!!AGN: Sacred; Mass section",
        "pl-kk/kern/pl-kk--kk-i-7--094-001-pc1_x.krn": "!!!AGN: Completorium\n!!!COM:\n!!!COM: Later, Name",
    }
    for file, head in heads.items():
        path = tmp_path / "polish_scores" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(f"{head}\r\n**kern\n4c\n*-\n".encode())
    return open_corpus("polish_scores", tmp_path)


def test_labels_of_polish_scores_are_those_of_the_files(polish):
    pieces = polish.pieces()
    assert [dict(piece.labels) for piece in pieces] == [
        {"sacred": "secular", "genre": "Mazurka", "century": "1800s", "composer": "Chopin, Fryderyk"},
        {"sacred": "sacred", "genre": "Mass", "century": "1600s"},
        {},
    ]
    assert len(polish.read(pieces[0])) == 1


def test_pieces_of_a_source_are_one_group(polish):
    assert [piece.group for piece in polish.pieces()] == [
        "a-wn--s-h-chopin-55",
        "pl-kk--kk-i-7",
        "pl-kk--kk-i-7",
    ]


@pytest.mark.parametrize(
    ("stem", "source"),
    [
        ("pl-stab--15a--001-004_rodowski--missa", "pl-stab--15a"),
        ("pl-wnifc--494-n_grabowski--wiosna", "pl-wnifc--494-n"),
        ("pl-cz--ii-15--002-dublet_x", "pl-cz--ii-15"),
        ("pl-xx--123--001-002_x", "pl-xx--123"),
        ("pl-kozmzk--mzk-m-33_szymanowska--le--001-depart", "pl-kozmzk--mzk-m-33"),
    ],
)
def test_sources_are_archives_and_shelfmarks(stem, source):
    assert source_of(stem) == source


def test_melody_of_an_orchestra_is_that_of_its_melody_score(tmp_path):
    path = tmp_path / "orchestra" / OrchestraCorpus.marker
    second = '<score-part id="P2"><part-name>B</part-name></score-part>'
    part = f'<part id="P2"><measure number="1">{note("E", 5)}{note("D", 4)}</measure></part>'
    write_mxl(path, XML.format(second, note("C", 4) + note("D", 4), part))
    write_mxl(path.with_name(path.stem + "_melody.mxl"), XML.format("", note("E", 5) + note("D", 4), ""))
    corpus = open_corpus("orchestra", tmp_path)
    (piece,) = corpus.pieces()
    assert (piece.labels["composer"], piece.group) == (
        "Boulanger, Lili",
        "Boulanger,_Lili/D'un_matin_de_printemps",
    )
    music = corpus.read(piece)
    labels = corpus.interpret(piece, music).note_labels["melody"]
    names = [OrchestraCorpus.note_classes["melody"][label] for label in labels]
    found = sorted(zip(music.notes["track"].tolist(), music.notes["pitch"].tolist(), names, strict=True))
    assert found == [(0, 60, "accompaniment"), (0, 62, "melody"), (1, 62, "melody"), (1, 76, "melody")]
    assert len(corpus.sources(piece)) == 2


def test_art_melody_is_for_tests_and_one_piano(tmp_path):
    path = tmp_path / "art_melody" / ArtMelodyCorpus.marker
    path.parent.mkdir(parents=True)
    notes = note_array([0, 0], 480, [72, 48], 64, [40, 0], [0, 1])
    write_midi(Music(notes, 480, tracks=("MELODY", "PIANO")), path)
    corpus = open_corpus("art_melody", tmp_path)
    (piece,) = corpus.pieces()
    reading = corpus.interpret(piece, corpus.read(piece))
    assert piece.split == "test"
    assert not is_permissive(ArtMelodyCorpus.spdx)
    assert set(reading.music.notes["program"].tolist()) == {0}
    by_pitch = dict(
        zip(reading.music.notes["pitch"].tolist(), reading.note_labels["melody"].tolist(), strict=True)
    )
    assert by_pitch == {72: 0, 48: 1}
