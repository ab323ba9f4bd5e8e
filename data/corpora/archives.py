"""Find a corpus on disk: a folder, a clone or an archive that is unpacked once."""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from data.corpora.base import Corpus
from data.splits import FOLDS
from symbolic.errors import ConfigError, CorpusError

ROOT_VARIABLE = "COUNTERPOINT_DATA"
CACHE_VARIABLE = "COUNTERPOINT_CACHE"


def cache_folder() -> Path:
    """Return the cache folder: $COUNTERPOINT_CACHE or ~/.cache/counterpoint."""
    given = os.environ.get(CACHE_VARIABLE)
    return Path(given).expanduser() if given else Path.home() / ".cache" / "counterpoint"


def locate(
    name: str, root: str | Path | None, marker: str, sha256: str, homepage: str, archive_name: str = ""
) -> Path:
    """Find the folder of a corpus.

    Files under ROOT/NAME come first, then files under ROOT, both up to two folders deep. The archive in ROOT/NAME comes
    last. It is unpacked into the cache.

    Args:
        name: Name of the corpus or of the folder that it shares with others.
        root: The folder that holds corpora. None: $COUNTERPOINT_DATA.
        marker: A file that identifies the corpus, relative to the folder wanted.
        sha256: Hash of the archive.
        homepage: Address to get it from.
        archive_name: Default: NAME.tar.xz.

    Raises:
        CorpusError: If nothing is found, or if the archive is damaged or another release.
    """
    given = root or os.environ.get(ROOT_VARIABLE)
    if not given:
        raise CorpusError(
            f"Corpus '{name}' needs a folder. Get it from {homepage} and name the folder that holds "
            f"'{name}', or set ${ROOT_VARIABLE} to it."
        )
    base = Path(given).expanduser()
    archive = base / name / (archive_name or f"{name}.tar.xz")
    found = _marked(base / name, marker) or _marked(base, marker)
    if found:
        return found
    if not archive.is_file():
        raise CorpusError(
            f"Corpus '{name}' is not in {base}: neither '{marker}' in '{name}' or below, nor "
            f"'{name}/{archive.name}'. Get it from {homepage} and put it there."
        )
    found = _marked(_unpacked(archive, sha256), marker)
    if not found:
        raise CorpusError(f"{archive} was unpacked, but holds no '{marker}'. Get it anew from {homepage}.")
    return found


def _marked(base: Path, marker: str) -> Path | None:
    """Return the first folder, at most two below `base`, that holds `marker`."""
    for depth in ("", "*/", "*/*/"):
        hits = sorted(base.glob(depth + marker)) if base.is_dir() else []
        if hits:
            return hits[0].parents[marker.count("/")]
    return None


def _unpacked(archive: Path, sha256: str) -> Path:
    """Unpack an archive into the cache. One rename makes the folder, so that it is whole or absent."""
    target = cache_folder() / "corpora" / f"{archive.name.partition('.')[0]}-{sha256[:8]}"
    if target.is_dir():
        return target
    with archive.open("rb") as file:
        actual = hashlib.file_digest(file, "sha256").hexdigest()
    if actual != sha256:
        raise CorpusError(
            f"{archive} has sha256 {actual[:16]}…, not {sha256[:16]}…: it is damaged or another release. "
            "Get it anew, or unpack it yourself beside the archive to use it as it is."
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f"{target.name}.", dir=target.parent))
    except OSError as error:
        raise CorpusError(
            f"{target.parent} cannot be written ({error.strerror}). Set ${CACHE_VARIABLE} to one that can."
        ) from error
    try:
        with tarfile.open(archive) as tar:
            tar.extractall(partial, filter="data")  # refuses members that reach outside
        partial.rename(target)
    except (tarfile.TarError, OSError) as error:
        if not target.is_dir():  # else another process was first, and its copy is as good
            raise CorpusError(
                f"{archive} cannot be unpacked into {target.parent} ({error}). Check both and the disk."
            ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return target


class ArchivedCorpus(Corpus):
    """A corpus under a root as files or in an archive.

    Args:
        root: The folder that holds `home`, or a clone of the data set.

    Attributes:
        home: Folder under the root. Default: the name of the corpus.
        marker: A file that identifies the corpus, relative to `folder`.
        archives: sha256 of each archive by name. The first holds the music.
        made: How to convert the files of the homepage in full sentences.

    Raises:
        CorpusError: If the corpus is absent or its archive is damaged.
    """

    home: ClassVar[str] = ""
    marker: ClassVar[str]
    archives: ClassVar[Mapping[str, str]]
    made: ClassVar[str] = ""

    def __init__(self, root: str | Path | None = None) -> None:
        archive, sha256 = next(iter(self.archives.items()))
        self.folder = locate(self.home or self.name, root, self.marker, sha256, self.homepage, archive)

    @classmethod
    def presence(cls, root: str | Path | None = None) -> str:
        """Return "files", "archive" or "" if it is not under root. The archive is not opened."""
        given = root or os.environ.get(ROOT_VARIABLE)
        if not given:
            return ""
        base, home = Path(given).expanduser(), cls.home or cls.name
        if _marked(base / home, cls.marker) or _marked(base, cls.marker):
            return "files"
        return "archive" if (base / home / next(iter(cls.archives))).is_file() else ""

    @classmethod
    def directions(cls) -> str:
        """Tell how to get the corpus and into which folder it goes."""
        home = cls.home or cls.name
        steps = [
            f"Get it from {cls.homepage}.",
            cls.made,
            f"Put its files into ROOT/{home}, so that {cls.marker} is in it or up to two folders below, or the "
            f"archive of this sha256 as ROOT/{home}/{next(iter(cls.archives))}.",
        ]
        return " ".join(filter(None, steps))


class FoldedCorpus(ArchivedCorpus):
    """A corpus whose split table also has folds for cross-validation.

    Args:
        root: The folder that holds the corpus.
        fold: 0 to 4. This fold is tested, the next one validates, the others train. None: the split of the table.

    Raises:
        ConfigError: If there is no such fold.
        CorpusError: If the corpus is absent or its archive is damaged.
    """

    def __init__(self, root: str | Path | None = None, fold: int | None = None) -> None:
        if fold is not None and fold not in range(FOLDS):
            raise ConfigError(f"fold is {fold}; corpus '{self.name}' has folds 0 to {FOLDS - 1}.")
        super().__init__(root)
        self.fold = fold

    def options(self) -> dict[str, Any]:
        """Return the fold."""
        return {"fold": self.fold}
