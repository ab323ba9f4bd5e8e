import functools
import pickle
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from made import CACHE, DATA, write_tunes

from data.corpora import CORPORA, open_corpus
from data.corpora.archives import CACHE_VARIABLE, ROOT_VARIABLE, ArchivedCorpus
from data.corpora.base import TERMS
from data.corpora.folder import FolderCorpus
from data.corpora.music21_corpus import Music21Corpus
from data.splits import EXCLUDED, SPLITS
from symbolic.errors import ConfigError, CorpusError
from symbolic.tokens.tokenizer import Tokenizer


@pytest.fixture
def music(tmp_path):
    return write_tunes(tmp_path / "music", 3)


@pytest.fixture(scope="module")
def unpacked():
    """The real corpora, their archives unpacked into the tests' own cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CACHE_VARIABLE, str(CACHE))
        yield DATA


def at_hand(name, music):
    """Open a corpus, or skip the test with the reason."""
    if name == "folder":
        return open_corpus(name, music)
    if not CORPORA[name].presence(DATA):
        pytest.skip(f"no '{name}' in {DATA.name}; set {ROOT_VARIABLE}")
    return open_corpus(name, DATA)


@pytest.fixture(scope="module")
def listed(unpacked):
    """Open a corpus and list its pieces, those of a data set once."""
    return functools.cache(lambda name, music: (corpus := at_hand(name, music), corpus.pieces()))


@pytest.mark.parametrize("name", CORPORA)
def test_every_reader_states_its_terms(name):
    reader = CORPORA[name]
    assert reader.name == name
    assert all(isinstance(getattr(reader, term), str) and getattr(reader, term) for term in TERMS)
    assert reader.__doc__
    assert reader.split
    assert reader.directions()
    assert sum(reader.fractions.values()) == pytest.approx(1)
    if issubclass(reader, ArchivedCorpus):
        assert reader.size >= 96  # orchestra, the smallest
        assert all(re.fullmatch(r"[0-9a-f]{64}", sha256) for sha256 in reader.archives.values())
        assert reader.archives


@pytest.mark.parametrize("name", CORPORA)
def test_every_reader_gives_pieces(name, music, listed):
    corpus, pieces = listed(name, music if name == "folder" else None)
    assert pieces == pickle.loads(pickle.dumps(corpus)).pieces()
    assert len({piece.key for piece in pieces}) == len(pieces)
    assert {piece.split for piece in pieces} <= {*SPLITS, EXCLUDED, None}
    assert not any(piece.reason for piece in pieces if piece.split != EXCLUDED)
    assert corpus.size in (0, len(pieces))
    for label, classes in corpus.labels.items():
        assert len({piece.labels[label] for piece in pieces if label in piece.labels}) == classes, label
    sides = {}
    for piece in pieces:
        if piece.group and piece.split in SPLITS:
            assert sides.setdefault(piece.group, piece.split) == piece.split, piece.group


@pytest.mark.parametrize("name", CORPORA)
def test_every_reader_gives_music_and_note_labels(name, music, listed):
    corpus, pieces = listed(name, music if name == "folder" else None)
    for piece in (pieces[0], pieces[-1]):
        assert all(Path(corpus.path(file)).is_file() for file in corpus.sources(piece))
        reading = corpus.interpret(piece, corpus.read(piece))
        assert len(Tokenizer().encode(reading.music).ids) > 8
        assert reading.music.drums.all() == corpus.drums_alone
        assert set(reading.note_labels) == set(corpus.note_classes)
        for label, classes in corpus.note_classes.items():
            values = reading.note_labels[label]
            assert values.dtype == np.int8
            assert values.shape == (len(reading.music),)
            assert -1 <= values.min() <= values.max() < len(classes)


def test_a_reader_without_terms_cannot_be_written():
    with pytest.raises(TypeError, match="Silent must state its licence, homepage"):
        type(
            "Silent",
            (FolderCorpus,),
            {"licence": "", "homepage": ""},
        )


def test_unknown_readers_and_options_are_named(music):
    with pytest.raises(CorpusError, match="No corpus is called 'lakh'; choose from music21, folder"):
        open_corpus("lakh")
    with pytest.raises(ConfigError, match="'folder' takes no such option"):
        open_corpus("folder", music, lables="x.csv")


def test_opening_readers_costs_no_heavy_import():
    code = (
        "import sys, data.corpora as c; c.open_corpus('music21').pieces();"
        "print(*sorted({'torch', 'music21', 'symusic', 'lightning'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == ""


def test_music21_gives_chorales_and_tunes():
    corpus = Music21Corpus()
    pieces = corpus.pieces()
    keys = [piece.key for piece in pieces]
    assert {"bach/bwv66.6.mxl", "airdsAirs/book1.abc#12", "oneills1850/0626-0700.abc#626"} <= set(keys)
    assert sum(key.startswith("bach/") for key in keys) == 365
    assert sum(key.startswith("ryansMammoth/") for key in keys) == 1059
    assert "bach/bwv846.mxl" not in keys, "a prelude, not a chorale"
    chorale, tune = (pieces[keys.index(key)] for key in ("bach/bwv66.6.mxl", "airdsAirs/book1.abc#12"))
    assert len(np.unique(corpus.read(chorale).notes["track"])) == 4
    assert len(corpus.read(tune)) > 20
