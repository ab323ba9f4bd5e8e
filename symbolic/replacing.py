"""Replace a file or a folder as a whole: readers find the old one or the new one, never a part."""

from __future__ import annotations

import os
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

_LONGEST_NAME = 200
_PART = ".partial"


@contextmanager
def replacing(path: str | Path) -> Iterator[BinaryIO]:
    """Open a file that takes the place of `path` once the block has ended without an error.

    A link, and what is no regular file such as /dev/stdout, is written to as it is.
    """
    path = Path(path)
    if path.is_symlink() or (path.exists() and not path.is_file()):
        with path.open("wb") as file:
            yield file
        return
    name = (
        path.name
        if len(os.fsencode(path.name)) < _LONGEST_NAME
        else f"{zlib.crc32(os.fsencode(path.name)):x}"
    )
    # The name holds the process, because two processes may write the same file at once.
    unfinished = path.with_name(f".{name}.{os.getpid()}{_PART}")
    try:
        with unfinished.open("wb") as file:
            yield file
        unfinished.replace(path)
    except BaseException:  # on a full disk a part would take the room that is needed to go on
        unfinished.unlink(missing_ok=True)
        raise


def is_unfinished(path: Path) -> bool:
    """Return whether a file has the name of one that a process was writing when it was killed."""
    return path.name.startswith(".") and path.suffix == _PART


def write_whole(path: str | Path, content: bytes) -> None:
    """Write a file as a whole."""
    with replacing(path) as file:
        file.write(content)


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Make a folder that takes the place of `path` once the block has ended without an error."""
    new = path.with_name(f".{path.name}.{os.getpid()}.new")
    old = path.with_name(f".{path.name}.{os.getpid()}.old")
    new.mkdir(parents=True)
    try:
        yield new
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise
    if path.exists():
        path.rename(old)
    new.rename(path)
    shutil.rmtree(old, ignore_errors=True)
