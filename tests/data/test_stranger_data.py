"""Prepared corpora and packs of strangers: they are opened or refused in words, and nothing is written elsewhere."""

import io
import json
import os
import zipfile

import numpy as np
import pytest
from made import write_tunes
from prepared import FolderCorpus, run
from variants import variants_of_bytes, variants_of_json

from data.corpora.archives import CACHE_VARIABLE
from data.pack import pack, unpack
from data.preparation.contents import content_hash
from data.preparation.summary import skipped_lines, summary
from data.shards import Shards
from symbolic.errors import CorpusError, CounterpointError

EVERY = 7
"""One variant in so many is tried."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = write_tunes(tmp_path_factory.mktemp("music"), 9)
    (folder / "broken.mid").write_bytes(b"MThd")
    return run(FolderCorpus(folder), tmp_path_factory.mktemp("shards") / "out").path


@pytest.fixture
def shards(whole, tmp_path):
    """A copy to be spoilt."""
    copy = tmp_path / "a" / "out"
    copy.mkdir(parents=True)
    for file in whole.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    return copy


def used(path):
    found = Shards(path)
    found.tokens(0, len(found))
    found.source()
    found.sketches()
    found.select()
    summary(found)
    skipped_lines(found)
    return found.max_bars


def tried(name, use):
    try:
        use()
    except CounterpointError:
        pass
    except Exception as error:
        raise AssertionError(f"{name} is a traceback: {error!r}") from error


@pytest.mark.parametrize("file", ["manifest.json", "tokenizer.json"])
def test_variants_of_a_manifest_are_used_or_refused(file, shards):
    content = (shards / file).read_bytes()
    for name, variant in list(variants_of_json(json.loads(content)))[::EVERY]:
        (shards / file).write_bytes(variant)
        tried(f"{file} {name}", lambda: used(shards))


@pytest.mark.parametrize("file", ["pieces.jsonl", "ledger.jsonl"])
def test_variants_of_lines_are_used_or_refused(file, shards):
    first, *lines = (shards / file).read_bytes().splitlines()
    for name, variant in list(variants_of_json(json.loads(first)))[::3]:
        (shards / file).write_bytes(b"\n".join([variant, *lines]) + b"\n")
        tried(f"{file} {name}", lambda: used(shards))


def test_variants_of_arrays_are_used_or_refused(shards):
    for path in sorted(shards.glob("*.npy")):
        array = np.load(path)
        for spoilt in (array[:-1], array.astype(np.float64), array[None], np.zeros(0), np.array(["text"])):
            np.save(path, spoilt)
            tried(path.name, lambda: used(shards))
        for name, content in variants_of_bytes(path.read_bytes()):
            path.write_bytes(content)
            tried(f"{path.name} {name}", lambda: used(shards))
        np.save(path, array)


def test_a_shard_with_the_name_of_a_path_is_refused(shards):
    manifest = json.loads((shards / "manifest.json").read_text())
    manifest["shards"][0]["name"] = "../../shard-00000"
    (shards / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(CorpusError, match="no such name"):
        Shards(shards)


def repacked(path, changes):
    """Write a pack anew with other members; None leaves one out."""
    with zipfile.ZipFile(path) as file:
        members = {name: file.read(name) for name in file.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as file:
        for name, content in {**members, **changes}.items():
            if content is not None:
                file.writestr(name, content)


@pytest.fixture
def packed(whole, tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    return pack(Shards(whole), tmp_path / "one.pack", progress=False)


def test_variants_of_a_pack_are_used_or_refused(packed, tmp_path):
    content, before = packed.read_bytes(), {path.name for path in tmp_path.iterdir()} | {"cache"}
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        manifest = json.loads(file.read("manifest.json"))
    for name, variant in list(variants_of_json(manifest))[::40]:
        packed.write_bytes(content)
        repacked(packed, {"manifest.json": variant})
        tried(name, lambda: used(unpack(packed).path))
    ids = {"00000.pitch": b"\xff\xff" * manifest["packed"][0]}
    for changes in (
        {"00000.pitch": None},
        {"00000.pitch": b"odd"},
        ids,
        {"pieces.jsonl": b""},
        {"tokenizer.json": b"{}"},
        {"../../outside": b"x"},
        {"/outside": b"x"},
    ):
        packed.write_bytes(content)
        repacked(packed, changes)
        tried(str(changes.keys()), lambda: used(unpack(packed).path))
    assert {path.name for path in tmp_path.iterdir()} <= before
    packed.write_bytes(content)
    repacked(packed, ids)
    with pytest.raises(CorpusError, match="ids that its tokenizer does not know"):
        unpack(packed)


def test_what_would_unpack_to_gigabytes_is_refused_before(packed):
    repacked(packed, {"00000.pitch": bytes(10**7)})
    with pytest.raises(CorpusError, match=r"00000\.pitch holds more than"):
        unpack(packed)


def test_pipes_are_no_packs_and_no_music(packed, tmp_path):
    os.mkfifo(tmp_path / "pipe.pack")
    with pytest.raises(CorpusError, match=r"pipe\.pack is no file"):
        unpack(tmp_path / "pipe.pack")
    corpus = FolderCorpus(write_tunes(tmp_path / "music", 2))
    pieces = corpus.pieces()
    before = content_hash(corpus, pieces)
    (tmp_path / "music" / "t000.mid").unlink()
    os.mkfifo(tmp_path / "music" / "t000.mid")
    assert content_hash(corpus, pieces) != before
