"""Where a corpus lies on disk: a folder, a clone, or an archive that is unpacked once."""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
import tempfile
from pathlib import Path

from symbolic.errors import CorpusError

ROOT_VARIABLE = "COUNTERPOINT_DATA"
CACHE_VARIABLE = "COUNTERPOINT_CACHE"


def cache_folder() -> Path:
    """Where unpacked archives are kept: $COUNTERPOINT_CACHE, or ~/.cache/counterpoint."""
    given = os.environ.get(CACHE_VARIABLE)
    return Path(given).expanduser() if given else Path.home() / ".cache" / "counterpoint"


def locate(name: str, root: str | Path | None, marker: str, sha256: str, homepage: str) -> Path:
    """The folder of a corpus.

    Looked for, in this order: files under ROOT/NAME and under ROOT itself, both up to two folders deep (as an
    archive or a clone leaves them), then ROOT/NAME/NAME.tar.xz, which is unpacked into the cache.

    Args:
        name: Of the corpus.
        root: The folder that holds corpora; None means $COUNTERPOINT_DATA.
        marker: A file that tells the corpus, relative to the folder wanted.
        sha256: Of the archive.
        homepage: Where to get it.

    Raises:
        CorpusError: If nothing is found, or the archive is damaged or another one.
    """
    given = root or os.environ.get(ROOT_VARIABLE)
    if not given:
        raise CorpusError(
            f"Corpus '{name}' needs a folder. Get it from {homepage} and name the folder that holds "
            f"'{name}', or set ${ROOT_VARIABLE} to it."
        )
    base = Path(given).expanduser()
    archive = base / name / f"{name}.tar.xz"
    found = _marked(base / name, marker) or _marked(base, marker)
    if found:
        return found
    if not archive.is_file():
        raise CorpusError(
            f"Corpus '{name}' is not in {base}: neither '{marker}' in '{name}' or below, nor "
            f"'{name}/{archive.name}'. Get it from {homepage} and put it there."
        )
    found = _marked(_unpacked(name, archive, sha256), marker)
    if not found:
        raise CorpusError(f"{archive} was unpacked, but holds no '{marker}'. Get it anew from {homepage}.")
    return found


def _marked(base: Path, marker: str) -> Path | None:
    """The first folder, at most two below `base`, from which `marker` exists."""
    for depth in ("", "*/", "*/*/"):
        hits = sorted(base.glob(depth + marker)) if base.is_dir() else []
        if hits:
            return hits[0].parents[marker.count("/")]
    return None


def _unpacked(name: str, archive: Path, sha256: str) -> Path:
    """The archive's content in the cache; made by one rename, so that it is whole or absent."""
    target = cache_folder() / "corpora" / f"{name}-{sha256[:8]}"
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
