"""The lock of a folder, which one process holds at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from symbolic.errors import ConfigError

if os.name == "posix":
    import fcntl

LOCK = ".lock"
"""A file with the number of the process at work. A killed process leaves it, and the system frees it."""


@contextmanager
def sole_writer(folder: Path, *, wait: bool) -> Iterator[None]:
    """Hold the lock of a folder. The system frees it however the process ends.

    Args:
        folder: Made if needed, with those above it. What was made and is still empty at the end is removed.
        wait: Wait while another process holds the lock.

    Raises:
        ConfigError: If the folder cannot be written, or another process holds its lock and `wait` is false.
    """
    new = [one for one in (folder, *folder.parents) if not one.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = _locked(folder / LOCK, wait)
    except BlockingIOError as error:
        number = (folder / LOCK).read_text() or "of another machine"
        raise ConfigError(
            f"Process {number} is at work in {folder}. Wait until it has ended, or name another folder with --out."
        ) from error
    except OSError as error:
        raise ConfigError(f"{folder} cannot be written ({error.strerror}). Choose another folder.") from error
    try:
        yield
    finally:
        with suppress(OSError):
            (folder / LOCK).unlink()  # before the lock is free: see `_locked`
            for one in new:
                one.rmdir()  # raises at the first that holds something
        file.close()


def _locked(path: Path, wait: bool) -> TextIO:
    """Return the locked file with the number of this process in it."""
    while True:
        file = path.open("a+")
        try:
            if os.name == "posix":
                fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            # The holder before may have removed the file between the two calls. Then the lock is that of no file.
            if not _is_at(path, file):
                file.close()
                continue
            with suppress(OSError):  # on a full disk the lock holds without the number
                file.truncate(0)
                file.write(str(os.getpid()))
                file.flush()
        except BaseException:
            file.close()
            raise
        return file


def _is_at(path: Path, file: TextIO) -> bool:
    """Return whether an open file is still the one at its path."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False
