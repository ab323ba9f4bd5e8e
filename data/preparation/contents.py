"""One hash of the content of a corpus' files, so that shards of other content are not used again.

Reading a million files takes minutes. The hash is therefore cached under the file system's entries of all files. These
include ctime, which no program can set. So a copy that keeps its date, or a file that is dated back, is read again.
"""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from hashlib import blake2b

from data.corpora.archives import cache_folder
from data.corpora.base import Corpus, Piece
from data.toolkit.safewrite import write
from symbolic.documents import as_json

_BLOCK = 2**20
_FLAGS: int = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
"""Only Windows has text files. A pipe is opened too, and not waited for."""
_SETTLED = 10.0
"""Seconds since the last change of any file before the hash is cached. File systems have clocks of up to two seconds,
in which two changes look like one."""


def content_hash(corpus: Corpus, pieces: Sequence[Piece]) -> str:
    """Hash names and bytes of all files of some pieces.

    Args:
        corpus: The corpus.
        pieces: All or some of its pieces.

    Returns:
        32 hexadecimal digits. Absent and unreadable files are part of the hash.
    """
    files = list(dict.fromkeys(file for piece in pieces for file in corpus.sources(piece)))
    entries, changed = _entries(corpus, files)
    memory = cache_folder() / "contents" / f"{entries}.json"
    # Elsewhere ctime is the time of creation.
    lasting = os.name == "posix" and changed < time.time() - _SETTLED
    if lasting:
        with suppress(OSError, ValueError, KeyError, TypeError):  # absent, or damaged
            return str(json.loads(memory.read_bytes())["content"])
    content = _read(corpus, files)
    if lasting:
        with suppress(OSError):  # a cache that cannot be written costs time, nothing else
            memory.parent.mkdir(parents=True, exist_ok=True)
            ours = memory.with_suffix(f".{os.getpid()}")  # several processes may prepare one corpus at once
            write(ours, as_json({"folder": str(corpus.folder), "files": len(files), "content": content}))
            ours.replace(memory)
    return content


def _entries(corpus: Corpus, files: Iterable[str]) -> tuple[str, float]:
    """Hash the file system's entries of files. Return the hash and the time of the last change."""
    folder = f"{corpus.folder}{os.sep}"
    digest, last = blake2b(folder.encode(errors="surrogateescape"), digest_size=16), 0.0
    for file in files:
        try:
            found = os.stat(corpus.path(file))
        except OSError:
            about = "absent"
        else:
            about = f"{found.st_size} {found.st_mtime_ns} {found.st_ctime_ns} {found.st_ino} {found.st_dev}"
            last = max(last, found.st_ctime)
        # A name that is not UTF-8 holds lone surrogates, which only this handler turns back into bytes.
        digest.update(f"{file}\0{about}\0".encode(errors="surrogateescape"))
    return digest.hexdigest(), last


def _read(corpus: Corpus, files: Iterable[str]) -> str:
    digest = blake2b(digest_size=16)
    for file in files:
        if not _add(corpus.path(file), file, digest):
            digest.update(f"{file}\0None\0".encode(errors="surrogateescape"))
    return digest.hexdigest()


def _add(path: str, file: str, digest: blake2b) -> bool:
    """Add name, size and bytes of a file and return whether it is one that can be read."""
    with suppress(OSError):
        opened = os.open(path, _FLAGS)  # file objects of Python take as long as the hash
        try:
            found = os.fstat(opened)
            if not stat.S_ISREG(found.st_mode):
                return False
            digest.update(f"{file}\0{found.st_size}\0".encode(errors="surrogateescape"))
            while block := os.read(opened, _BLOCK):
                digest.update(block)
            return True
        finally:
            os.close(opened)
    return False
