import hashlib
import io
import tarfile

import pytest

from data.corpora.archives import CACHE_VARIABLE, ROOT_VARIABLE, locate
from symbolic.errors import CorpusError


def archive(root, members=None, name="little"):
    """Make an archive and its hash."""
    path = root / name / f"{name}.tar.xz"
    path.parent.mkdir(parents=True)
    with tarfile.open(path, "w:xz") as tar:
        for member, content in (members or {"little/001/001.mid": b"music"}).items():
            info = tarfile.TarInfo(member)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def found(root, sha256=""):
    return locate("little", root, "001/001.mid", sha256, "https://example.org/little")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.delenv(ROOT_VARIABLE, raising=False)
    return tmp_path / "cache"


@pytest.mark.parametrize(
    "place", ["little", "little/little", "little/Little-main/data", "clone/data", "."], ids=str
)
def test_unpacked_files_and_clones_are_found(tmp_path, cache, place):
    song = tmp_path / place / "001" / "001.mid"
    song.parent.mkdir(parents=True)
    song.touch()
    assert found(tmp_path) == song.parents[1]
    assert not cache.exists()


def test_an_archive_is_unpacked_once(tmp_path, cache, monkeypatch):
    sha256 = archive(tmp_path)
    folder = found(tmp_path, sha256)
    assert folder == cache / "corpora" / f"little-{sha256[:8]}" / "little"
    assert (folder / "001" / "001.mid").read_bytes() == b"music"
    monkeypatch.setattr(tarfile, "open", lambda *a, **k: pytest.fail("unpacked again"))
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path))
    assert found(None, sha256) == folder
    assert [path.name for path in (cache / "corpora").iterdir()] == [f"little-{sha256[:8]}"]


def test_archives_that_are_other_or_unsafe_leave_nothing_behind(tmp_path, cache):
    archive(tmp_path)
    with pytest.raises(CorpusError, match=r"has sha256 .* damaged or another release"):
        found(tmp_path, "0" * 64)
    unsafe = archive(tmp_path / "unsafe", {"../../escaped.mid": b"x"})
    with pytest.raises(CorpusError, match="cannot be unpacked"):
        found(tmp_path / "unsafe", unsafe)
    other = archive(tmp_path / "other", {"readme.txt": b"x"})
    with pytest.raises(CorpusError, match=r"holds no '001/001\.mid'"):
        found(tmp_path / "other", other)
    assert not list(tmp_path.rglob("escaped.mid"))
    assert [path.name for path in (cache / "corpora").iterdir()] == [f"little-{other[:8]}"]


def test_a_missing_corpus_names_its_files_and_homepage(tmp_path, cache):
    with pytest.raises(CorpusError, match=r"'001/001\.mid' in 'little' .* Get it from https://example.org"):
        found(tmp_path)
    with pytest.raises(CorpusError, match=rf"needs a folder\. Get it from .* \${ROOT_VARIABLE}"):
        found(None)


def test_an_archive_may_have_another_name(tmp_path, cache):
    sha256 = archive(tmp_path)
    (tmp_path / "little" / "little.tar.xz").rename(tmp_path / "little" / "little_midi.tar.xz")
    folder = locate("little", tmp_path, "001/001.mid", sha256, "x", "little_midi.tar.xz")
    assert folder == cache / "corpora" / f"little_midi-{sha256[:8]}" / "little"
