"""Songs of two corpora as one: each piece as its corpus reads it, with the voice as melody."""

from __future__ import annotations

import numpy as np
import pytest
from made import CACHE, DATA, needs

from data.corpora import open_corpus
from data.corpora.archives import CACHE_VARIABLE
from data.corpora.songs import SongsCorpus
from data.mix import usual_guards
from data.preparation.contents import content_hash
from symbolic.errors import CorpusError


@pytest.fixture(scope="module", autouse=True)
def unpacked():
    """The real corpora, their archives unpacked into the tests' own cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CACHE_VARIABLE, str(CACHE))
        yield


@needs("pop909")
@needs("openscore_lieder")
def test_every_piece_is_read_and_placed_as_by_its_own_corpus():
    songs, parts = open_corpus("songs", DATA), (("pop909", {"twice": True}), ("openscore_lieder", {}))
    pieces = {piece.key: piece for piece in songs.pieces()}
    for name, options in parts:
        corpus = open_corpus(name, DATA, **options)
        theirs = corpus.pieces()
        for piece in theirs:
            ours = pieces.pop(f"{name}/{piece.key}")
            assert (ours.split, ours.reason) == (piece.split, piece.reason)
            assert ours.fingerprint == piece.fingerprint
            assert ours.group == (f"{name}/{piece.group}" if piece.group else "")
        for piece in (theirs[0], theirs[-1]):
            ours = next(one for one in songs.pieces() if one.key == f"{name}/{piece.key}")
            assert [songs.path(file) for file in songs.sources(ours)] == [
                corpus.path(file) for file in corpus.sources(piece)
            ]
            text, expected = (
                songs.interpret(ours, songs.read(ours)),
                corpus.interpret(piece, corpus.read(piece)),
            )
            assert (text.music.notes == expected.music.notes).all()
            assert (text.music.time_signatures == expected.music.time_signatures).all()
            if name == "pop909":
                assert (text.note_labels["melody"] == expected.note_labels["melody"]).all()
            else:
                voice = {0: 0, 1: 2, -1: -1}  # bridge is a word of POP909's
                wanted = [voice[label] for label in expected.note_labels["part"].tolist()]
                assert text.note_labels["melody"].tolist() == wanted
                assert set(np.unique(wanted)) == {0, 2}
    assert not pieces


def linked(root, pop909, lieder):
    """Open the songs of a root with links to the two corpora."""
    for folder, name in ((pop909, "pop909"), (lieder, "openscore_lieder")):
        (root / folder).parent.mkdir(parents=True, exist_ok=True)
        (root / folder).symlink_to(open_corpus(name, DATA).folder)
    return open_corpus("songs", root)


@needs("pop909")
@needs("openscore_lieder")
def test_the_place_of_files_changes_nothing(tmp_path):
    as_files = linked(tmp_path / "files", "pop909", "openscore_lieder")
    as_clones = linked(tmp_path / "clones", "pop909/POP909", "openscore_lieder/a/scores")
    pieces = as_files.pieces()
    assert pieces == as_clones.pieces()
    few = [pieces[0], pieces[-1]]
    assert content_hash(as_files, few) == content_hash(as_clones, few) != content_hash(as_files, few[:1])
    assert as_files.options() == {"versions": {"pop909": 2, "openscore_lieder": 1}}


@needs("pop909")
@needs("openscore_lieder")
def test_a_mix_is_not_guarded_by_what_joins_its_corpora():
    assert "emopia" in usual_guards(["pop909"], DATA)
    assert {"songs", "pop909"}.isdisjoint(usual_guards(["pop909"], DATA))
    assert {"songs", "pop909", "openscore_lieder"}.isdisjoint(usual_guards(["songs"], DATA))


@needs("pop909")
def test_where_one_is_absent_it_is_named(tmp_path):
    (tmp_path / "pop909").symlink_to(DATA / "pop909")
    assert SongsCorpus.presence(tmp_path) == ""
    with pytest.raises(CorpusError, match="'openscore_lieder'"):
        SongsCorpus(tmp_path)
