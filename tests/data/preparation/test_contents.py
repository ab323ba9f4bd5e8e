"""The hash of a corpus' files and its cache."""

import os
import shutil
import time

import pytest
from made import tune, write_tunes

from data.corpora.folder import FolderCorpus
from data.preparation import contents
from data.preparation.contents import content_hash
from symbolic.music.midi.writer import write_midi


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("COUNTERPOINT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "contents"


@pytest.fixture
def corpus(tmp_path):
    return FolderCorpus(write_tunes(tmp_path / "music", 3))


@pytest.fixture
def later(monkeypatch):
    """Let a minute pass, so that changes of the file system have settled."""
    now = time.time
    monkeypatch.setattr(contents.time, "time", lambda: now() + 60)


@pytest.fixture
def reads(monkeypatch):
    """Count how often files were read."""
    found = []
    read = contents._read
    monkeypatch.setattr(contents, "_read", lambda *given: found.append(1) or read(*given))
    return found


def hashed(corpus):
    return content_hash(corpus, corpus.pieces())


@pytest.mark.parametrize("settled", [True, False])
def test_it_changes_with_any_byte_of_any_file(corpus, settled, request):
    if settled:
        request.getfixturevalue("later")
    pieces, before = corpus.pieces(), hashed(corpus)
    assert content_hash(corpus, pieces) == before
    write_midi(tune(0, shift=1), corpus.folder / "t000.mid")  # as long as it was
    assert (changed := content_hash(corpus, pieces)) != before
    (corpus.folder / "t001.mid").unlink()
    assert content_hash(corpus, pieces) not in (before, changed)


def test_it_depends_on_names_but_not_on_where_the_folder_is(corpus, tmp_path):
    shutil.copytree(corpus.folder, tmp_path / "copy")
    copy = FolderCorpus(tmp_path / "copy")
    assert hashed(copy) == hashed(corpus)
    (copy.folder / "t000.mid").rename(copy.folder / "s000.mid")
    assert hashed(copy) != hashed(corpus)


@pytest.mark.skipif(os.name != "posix", reason="there is no ctime")
def test_files_that_did_not_change_are_read_once(corpus, later, reads):
    assert hashed(corpus) == hashed(corpus)
    assert len(reads) == 1


@pytest.mark.skipif(os.name != "posix", reason="there is no ctime")
def test_a_file_that_is_dated_back_is_read_again(corpus, later, reads):
    before, file = hashed(corpus), corpus.folder / "t000.mid"
    found = file.stat()
    time.sleep(0.02)  # more than the tick of a file system's clock
    content = bytearray(file.read_bytes())
    content[-8] ^= 1
    file.write_bytes(content)
    os.utime(file, ns=(found.st_atime_ns, found.st_mtime_ns))
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (found.st_size, found.st_mtime_ns)
    assert hashed(corpus) != before
    assert len(reads) == 2


def test_what_has_just_changed_is_not_remembered(corpus, cache, reads):
    hashed(corpus)
    hashed(corpus)
    assert len(reads) == 2
    assert not cache.exists()


def test_a_damaged_memory_is_written_anew(corpus, later, cache, reads):
    before = hashed(corpus)
    for damage in (b"", b"[]", b"{}", b"\xff"):
        for file in cache.iterdir():
            file.write_bytes(damage)
        assert hashed(corpus) == before
    assert hashed(corpus) == before
    assert len(reads) == (5 if os.name == "posix" else 6)
    assert len(list(cache.iterdir())) == 1


def test_a_cache_that_cannot_be_written_does_no_harm(corpus, later, cache):
    cache.parent.mkdir()
    cache.touch()
    assert len(hashed(corpus)) == 32


@pytest.mark.skipif(os.name != "posix", reason="names of files are not bytes")
def test_names_that_are_no_text_and_folders_named_like_files(corpus):
    before = hashed(corpus)
    shutil.copy(corpus.folder / "t000.mid", os.fsencode(corpus.folder) + b"/\xff.mid")
    assert hashed(corpus) != before
