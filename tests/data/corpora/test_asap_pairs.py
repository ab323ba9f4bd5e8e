"""Pairs of performed and written notes of (n)ASAP."""

import warnings

import numpy as np
import pytest
from made import CACHE, DATA, needs
from musicxml_text import backup, note, score

from data.corpora import open_corpus
from data.corpora.archives import CACHE_VARIABLE
from data.corpora.asap import ALIGNED
from data.corpora.asap_pairs import note_pairs, read_written
from symbolic.errors import MusicFileError

KEY = "<key><fifths>{}</fifths></key>"


def identified(name, *about, **options):
    return note(*about, attributes=f' id="{name}"', **options)


@pytest.fixture
def written(tmp_path):
    """Two bars of 6/8 in D major and then G major: a tied note over a bass, a grace note before the second bar."""
    first = [
        f"<attributes>{KEY.format(2)}</attributes>",
        identified("n1", "F#4", 1.5, voice="1", staff=1),
        identified("n2", "A4", 1.5, voice="1", staff=1, tie="start"),
        backup(3),
        identified("n3", "D3", 3, voice="5", staff=2),
    ]
    second = [
        f"<attributes>{KEY.format(1)}</attributes>",
        identified("n4", "A4", 1.5, voice="1", staff=1, tie="stop"),
        identified("n5", "B4", 0.5, first="<grace/>", voice="1", staff=1),
        identified("n6", "G4", 1.5, voice="1", staff=1),
    ]
    path = tmp_path / "score.musicxml"
    time = "<time><beats>6</beats><beat-type>8</beat-type></time>"
    path.write_text(score(["".join(first), "".join(second)], time=time))
    return read_written(path)


def test_what_is_written_of_each_note_is_read(written):
    def of(name, *fields):
        return tuple(written.notes[written.places[name]][field] for field in fields)

    assert of("n2", "onset", "value", "bar", "in_bar") == (1.5, 3, 1, 1.5)
    assert of("n3", "staff", "voice", "fifths", "upper", "lower") == (2, 5, 2, 6, 8)
    assert of("n6", "bar", "in_bar", "fifths", "grace") == (2, 1.5, 1, False)
    assert of("n5", "grace", "value") == (True, 0)


def test_ties_join_the_ids_of_a_note(written):
    assert written.places["n2"] == written.places["n4"]
    assert len(written.notes) == 5


def test_pairs_name_repeats_insertions_and_omissions(written):
    alignment = np.array([("n1-1", 0), ("n3-2", 2), ("", 1), ("n6-1", -1)], dtype=ALIGNED)
    pairs = note_pairs(alignment, written)
    first, third = written.places["n1"], written.places["n3"]
    assert pairs.matched.tolist() == [(0, first, 1), (2, third, 2)]
    assert (pairs.inserted.tolist(), pairs.omitted) == ([1], 1)


def test_a_played_note_that_the_score_lacks_is_counted(written):
    pairs = note_pairs(np.array([("n9-1", 0), ("n1-1", 1)], dtype=ALIGNED), written)
    assert (len(pairs.matched), pairs.unread) == (1, 1)


def test_an_absent_score_is_named(tmp_path):
    with pytest.raises(MusicFileError, match="absent"):
        read_written(tmp_path / "absent.musicxml")


@needs("asap")
@pytest.mark.slow
@pytest.mark.parametrize("key", ["Bach/Fugue/bwv_848", "Chopin/Etudes_op_10/12", "Mozart/Piano_Sonatas/11-3"])
def test_pairs_of_real_performances_agree_with_partitura(key, monkeypatch):
    partitura = pytest.importorskip("partitura")
    monkeypatch.setenv(CACHE_VARIABLE, str(CACHE))
    corpus = open_corpus("asap_performances", DATA)
    piece = next(piece for piece in corpus.pieces() if piece.key.startswith(f"{key}/"))
    found, music = read_written(corpus.written(piece)), corpus.read(piece)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = partitura.utils.music.ensure_notearray(
            partitura.load_score(str(corpus.written(piece))),
            include_key_signature=True,
            include_time_signature=True,
            include_staff=True,
            include_grace_notes=True,
        )
    ours = found.notes[[found.places[name] for name in theirs["id"].tolist()]]
    names = {"pitch": "pitch", "duration_quarter": "value", "ks_fifths": "fifths", "ts_beats": "upper"}
    names |= {"ts_beat_type": "lower", "staff": "staff", "voice": "voice", "is_grace": "grace"}
    for their_name, our_name in names.items():
        np.testing.assert_allclose(theirs[their_name], ours[our_name], atol=1e-4, err_msg=our_name)
    since = theirs["onset_quarter"] - theirs["onset_quarter"][0]
    np.testing.assert_allclose(since, ours["onset"] - ours["onset"][0], atol=1e-4)
    pairs = note_pairs(corpus.alignment(piece, music), found)
    performed, of_score = music.notes[pairs.matched["performed"]], found.notes[pairs.matched["written"]]
    assert len(pairs.matched) > 0.9 * len(music)
    np.testing.assert_array_equal(performed["pitch"], of_score["pitch"])
