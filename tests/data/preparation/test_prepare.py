import shutil
import sys
from collections import Counter

import numpy as np
import pytest
from made import CACHE, DATA, needs, tune, write_tunes
from prepared import ledger, reasons, run, write_spoilt

from data.corpora import open_corpus
from data.corpora.archives import CACHE_VARIABLE
from data.corpora.base import Reading
from data.corpora.folder import FolderCorpus
from data.preparation.prepare import Filters
from data.shards import Shards
from symbolic.errors import ConfigError, CorpusError, LeakError, MusicFileError
from symbolic.music.midi.writer import write_midi
from symbolic.music.notes import DRUM_PROGRAM, Music, note_array
from symbolic.tokens.vocabulary import HIDDEN, PROGRAM, VELOCITY


@pytest.fixture
def music(tmp_path):
    return write_tunes(tmp_path / "music", 20)


@pytest.fixture
def spoilt(tmp_path):
    return write_spoilt(tmp_path)


def test_bad_files_are_skipped_and_every_input_is_accounted_for(spoilt, tmp_path):
    filters = Filters(max_notes=400, max_bytes=40_000)
    shards = run(FolderCorpus(spoilt), tmp_path / "out", filters=filters)
    assert [piece.key for piece in shards.pieces] == ["t000.mid", "t001.mid", "t002.mid"]
    kinds = {key: reason.partition(":")[0] for key, reason in reasons(tmp_path / "out").items()}
    assert kinds == {
        "corrupt.mid": "unreadable",
        "empty.mid": "unreadable",
        "truncated.mid": "unreadable",
        "score.musicxml": "unreadable",
        "large.mid": "too large",
        "silent.mid": "empty",
        "short.mid": "too short",
        "long.mid": "absurdly long",
        "bars.mid": "absurdly long",
        "drums.mid": "drum-only",
    }
    totals = shards.manifest["totals"]
    assert totals["pieces"] == len(ledger(tmp_path / "out")) == 13
    assert totals["pieces"] == totals["kept"] + sum(totals["skipped"].values())
    assert totals["skipped"] == Counter(kinds.values())


class Numbered(FolderCorpus):
    """Labels every note with its place in the file."""

    name = "numbered"

    def interpret(self, piece, music):
        self.note_classes = {"place": tuple(map(str, range(100)))}
        return Reading(music, {"place": np.arange(len(music), dtype=np.int8)})


def test_tokens_labels_and_notes_stay_aligned_without_drums(tmp_path):
    folder = tmp_path / "music"
    folder.mkdir()
    random = np.random.default_rng(0)
    program = np.where(random.random(90) < 0.4, DRUM_PROGRAM, 0)
    notes = note_array(random.permutation(90) * 60, 60, random.integers(40, 90, 90), 80, program)
    write_midi(Music(notes, 480), folder / "a.mid")
    corpus = Numbered(folder, tracks=["x"])
    corpus.note_classes = {"place": tuple(map(str, range(100)))}
    read = corpus.read(corpus.pieces()[0])
    for filters in (Filters(), Filters(keep_drums=False)):
        shards = run(corpus, tmp_path / f"out{filters.keep_drums}", filters=filters)
        source = shards.source()
        assert len(source) == (90 if filters.keep_drums else (program == 0).sum())
        assert (shards.note_labels("place") == source).all()
        tokens = shards.tokens(0, len(shards)).astype(int)
        assert ((tokens[:, PROGRAM] - 4) == read.notes["program"][source]).all()


def test_hidden_fields_are_hidden_and_unknown_ones_refused(music, tmp_path):
    shards = run(FolderCorpus(music), tmp_path / "out", hide=["velocity"])
    assert set(shards.tokens(0, len(shards))[:, VELOCITY]) == {HIDDEN}
    with pytest.raises(ConfigError, match="No field is called loudness"):
        run(FolderCorpus(music), tmp_path / "other", hide=["loudness"])
    with pytest.raises(ConfigError, match="jobs is -1"):
        run(FolderCorpus(music), tmp_path / "other", jobs=-1)


def test_when_nothing_is_kept_the_reasons_are_named(tmp_path):
    folder = write_tunes(tmp_path / "music", 3)
    (folder / "bad.mid").write_bytes(b"bad")
    with pytest.raises(
        CorpusError, match=r"None of the 4 pieces .* too short \(3\), unreadable \(1\); the first"
    ):
        run(FolderCorpus(folder), tmp_path / "out", filters=Filters(min_notes=25))
    assert len(run(FolderCorpus(folder), tmp_path / "out").pieces) == 3


# Splits


def test_copies_and_transpositions_fall_on_one_side(music, tmp_path):
    for seed in range(20):
        write_midi(tune(seed, shift=5), music / f"moved{seed}.mid")
    shards = run(FolderCorpus(music), tmp_path / "out")
    side = {piece.key: (piece.split, piece.group) for piece in shards.pieces}
    assert all(side[f"t{i:03d}.mid"] == side[f"moved{i}.mid"] for i in range(20))
    assert len(set(side.values())) == 20
    assert {split for split, _ in side.values()} >= {"train", "test"}


def test_a_copy_of_a_test_piece_is_taken_out_of_training(music, tmp_path):
    write_midi(tune(3, shift=-7), music / "copy.mid")
    (music / "labels.csv").write_text("file,split\ncopy.mid,train\nt003.mid,test\nt004.mid,train\n")
    shards = run(FolderCorpus(music), tmp_path / "out")
    assert [shards.pieces[i].key for i in shards.select("excluded")] == ["copy.mid"]
    line = ledger(tmp_path / "out")["copy.mid"]
    assert (line["status"], line["reason"]) == ("kept", "same music as t003.mid, which is in test")


def test_a_group_on_two_sides_stops_the_run(music, tmp_path):
    (music / "labels.csv").write_text("file,split,group\nt000.mid,train,song\nt001.mid,test,song\n")
    with pytest.raises(LeakError, match=r"'song' \(train and test\)"):
        run(FolderCorpus(music), tmp_path / "out")


# Real corpora


@needs("pop909")
def test_pop909_has_its_published_split_and_refuses_other_notes(tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(CACHE))
    corpus = open_corpus("pop909", DATA)
    for key in ("001", "011", "017", "018", "034"):
        shutil.copytree(corpus.folder / key, tmp_path / "corpora" / "pop909" / key)
    shards = run(open_corpus("pop909", tmp_path / "corpora"), tmp_path / "out")
    assert {piece.key: piece.split for piece in shards.pieces} == {
        "001": "train",
        "011": "test",
        "017": "excluded",
        "018": "test",
        "034": "excluded",
    }
    assert set(shards.note_labels("melody")) == {0, 1, 2}
    assert set(shards.note_labels("velocity")) <= set(range(6))
    assert ledger(tmp_path / "out")["034"]["reason"] == "not in 4/4"
    swapped = tmp_path / "corpora" / "pop909" / "001" / "001.mid"
    shutil.copy(corpus.folder / "002" / "002.mid", swapped)
    run(open_corpus("pop909", tmp_path / "corpora"), tmp_path / "again")
    assert reasons(tmp_path / "again")["001"].startswith("other content")


@needs("pop909")
def test_a_song_without_beats_is_skipped(tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(CACHE))
    corpus = open_corpus("pop909", DATA)
    for key in ("001", "002"):
        shutil.copytree(corpus.folder / key, tmp_path / "pop909" / key)
    (tmp_path / "pop909" / "002" / "beat_midi.txt").unlink()
    few = open_corpus("pop909", tmp_path)
    with pytest.raises(MusicFileError):
        few.interpret(few.pieces()[1], few.read(few.pieces()[1]))
    shards = run(few, tmp_path / "out")
    assert [piece.key for piece in shards.pieces] == ["001"]
    assert reasons(tmp_path / "out")["002"].startswith("unreadable: its beats cannot be read")


def test_shards_of_a_run_are_those_that_open(music, tmp_path):
    made = run(FolderCorpus(music), tmp_path / "out", jobs=1)
    assert Shards(tmp_path / "out").fingerprint == made.fingerprint


@pytest.mark.skipif(sys.platform == "win32", reason="not every name is allowed there")
def test_names_with_separators_of_lines_are_names_like_others(tmp_path):
    folder = write_tunes(tmp_path / "music", 2)
    odd = ["a\u2028b.mid", "c\x85d.mid", "e\x0bf.mid", "g\nh.mid"]
    for seed, name in enumerate(odd, 10):
        write_midi(tune(seed), folder / name)
    shards = run(FolderCorpus(folder), tmp_path / "out")
    assert sorted(piece.key for piece in shards.pieces) == sorted([*odd, "t000.mid", "t001.mid"])
    assert ledger(tmp_path / "out").keys() == {piece.key for piece in shards.pieces}
