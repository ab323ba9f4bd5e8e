import json
import pickle
import subprocess
import sys

import numpy as np
import pytest
from made import tune, write_tunes

import data.preparation.prepare as preparing
from data.corpora.folder import FolderCorpus
from data.fingerprint import note_fingerprint
from data.preparation.prepare import prepare
from data.shards import FORMAT, Shards
from symbolic.errors import ConfigError, CorpusError, TokenizerMismatch
from symbolic.music.files import read_music
from symbolic.tokens.tokenizer import Tokenizer
from symbolic.tokens.vocabulary import Vocabulary

TUNES = 9


@pytest.fixture(scope="module")
def music(tmp_path_factory):
    folder = write_tunes(tmp_path_factory.mktemp("music"), TUNES)
    sides = ["train", "valid", "test", "excluded", *["train"] * (TUNES - 4)]
    tokens = [f"t{i:03d}.mid,{'odd' if i % 2 else 'even'},{side}" for i, side in enumerate(sides)]
    (folder / "labels.csv").write_text("\n".join(["file,label,split", *tokens]))
    return folder


@pytest.fixture
def path(music, tmp_path, monkeypatch):
    """Shards of four pieces each, so that three of them are read across."""
    monkeypatch.setattr(preparing, "_SMALLEST", 4)
    monkeypatch.setattr(preparing, "_LARGEST", 4)
    prepare(FolderCorpus(music, tracks=["tune"]), tmp_path / "out", Tokenizer(), jobs=0, progress=False)
    return tmp_path / "out"


def test_tokens_are_those_of_the_pieces_across_shards(path, music):
    shards = Shards(path)
    assert len(list(path.glob("shard-*.tokens.npy"))) == 3
    pieces = [Tokenizer().encode(read_music(music / piece.file)) for piece in shards.pieces]
    tokens = np.concatenate([piece.ids for piece in pieces])
    source = np.concatenate([piece.note_index for piece in pieces])
    assert len(shards) == len(tokens)
    assert shards.offsets.tolist() == [0, *np.cumsum([len(piece) for piece in pieces])]
    for start in range(0, len(tokens) + 1, 7):
        for stop in range(start, len(tokens) + 1, 11):
            assert (shards.tokens(start, stop) == tokens[start:stop]).all()
            assert len(shards.tokens(start, stop)) == stop - start
    assert (shards.source() == source).all()
    assert shards.source().dtype == np.int32
    assert shards.tokens(0, 5).dtype == np.uint16
    assert not shards.tokens(0, 5).flags.writeable


@pytest.mark.parametrize(("start", "stop"), [(-1, 2), (5, 4), (0, 10_000)])
def test_absent_tokens_are_refused(path, start, stop):
    with pytest.raises(IndexError):
        Shards(path).tokens(start, stop)


def test_pieces_have_the_labels_of_the_corpus(path):
    shards = Shards(path)
    assert [piece.key for piece in shards.pieces] == [f"t{i:03d}.mid" for i in range(TUNES)]
    assert [piece.labels["label"] for piece in shards.pieces[:3]] == ["even", "odd", "even"]
    assert shards.fingerprints.tolist() == [note_fingerprint(tune(i)) for i in range(TUNES)]
    assert shards.select("valid", "test").tolist() == [1, 2]
    assert shards.select().tolist() == [0, 1, 2, 4, 5, 6, 7, 8]
    assert shards.select("excluded").tolist() == [3]
    with pytest.raises(ConfigError, match="No split is called dev"):
        shards.select("dev")


def test_note_labels_are_aligned_with_tokens(path):
    shards = Shards(path)
    assert shards.note_classes == {"track": ("tune",)}
    assert shards.note_labels("track").tolist() == [0] * len(shards)
    assert shards.note_labels("track").dtype == np.int8
    with pytest.raises(ConfigError, match="no note label 'melody'; it has track"):
        shards.note_labels("melody")


def test_shards_travel_to_workers_by_their_path(path):
    shards = Shards(path, Tokenizer().fingerprint)
    pickled = pickle.dumps(shards)
    assert len(pickled) < 1000
    assert (pickle.loads(pickled).tokens(0, 50) == shards.tokens(0, 50)).all()


def test_another_tokenizer_is_refused(path):
    other = Tokenizer(Vocabulary(velocity_bins=16))
    with pytest.raises(TokenizerMismatch, match=f"not {other.fingerprint}"):
        Shards(path, other.fingerprint)
    assert Tokenizer.load(Shards(path).tokenizer_file).fingerprint == Shards(path).tokenizer_fingerprint


def test_the_manifest_states_terms_and_totals(path):
    manifest = Shards(path).manifest
    assert {"licence", "citation", "homepage", "name", "title"} == set(manifest["corpus"])
    assert manifest["totals"] == {
        "pieces": TUNES,
        "kept": TUNES,
        "repaired": 0,
        "skipped": {},
        "splits": {"excluded": 1, "test": 1, "train": 6, "valid": 1},
        "near_duplicates": 0,
        "largest_group": 1,
        "tokens": 24 * TUNES,
    }


def test_the_fingerprint_changes_with_any_content(path, music, tmp_path):
    same, before = tmp_path / "same", Shards(path).fingerprint
    prepare(FolderCorpus(music, tracks=["tune"]), same, Tokenizer(), jobs=0, progress=False)
    assert Shards(same).fingerprint == before
    other = tmp_path / "other"
    prepare(FolderCorpus(music), other, Tokenizer(), hide=["velocity"], jobs=0, progress=False)
    assert Shards(other).fingerprint != before
    assert Shards(other).hide == ("velocity",)


def test_absent_or_damaged_shards_are_refused_with_the_remedy(path):
    with pytest.raises(CorpusError, match="holds no prepared corpus"):
        Shards(path / "none")
    tokens = path / "shard-00001.tokens.npy"
    whole = tokens.read_bytes()
    tokens.write_bytes(whole[:-200])
    with pytest.raises(CorpusError, match=r"is damaged .* prepare the corpus again"):
        Shards(path)
    tokens.write_bytes((path / "shard-00002.tokens.npy").read_bytes())
    with pytest.raises(CorpusError, match=r"is damaged .*in the list of pieces"):
        Shards(path)
    tokens.write_bytes(whole)
    manifest = json.loads((path / "manifest.json").read_text())
    (path / "manifest.json").write_text(json.dumps({**manifest, "format": FORMAT + 1}))
    with pytest.raises(CorpusError, match=f"format {FORMAT + 1}; this release reads format {FORMAT}"):
        Shards(path)
    (path / "manifest.json").write_text("{")
    with pytest.raises(CorpusError, match="is damaged"):
        Shards(path)


def test_reading_needs_numpy_alone(path):
    code = (
        "import sys; from data.shards import Shards; s = Shards(sys.argv[1]); s.tokens(0, 9); s.source();"
        "print(*sorted({'torch', 'music21', 'symusic', 'miditok', 'mido', 'tqdm'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == ""
