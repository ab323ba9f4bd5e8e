"""A prepared corpus as one small file for another machine.

It is a zip file with LZMA compression: manifest, tokenizer, lists, and the tokens field by field. Bars are stored as
differences. Reading needs numpy alone.
"""

from __future__ import annotations

import errno
import hashlib
import lzma
import zipfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
from tqdm import tqdm

from data.corpora.archives import cache_folder
from data.shards import LEDGER, MANIFEST, NEAR, PIECES, TOKENIZER, Shards
from data.toolkit.locks import sole_writer
from data.toolkit.safewrite import write, write_array, write_lines
from symbolic.documents import as_json, fields, listed, parse_json, require, whole
from symbolic.errors import ConfigError, CorpusError
from symbolic.tokens.tokenizer import Tokenizer
from symbolic.tokens.vocabulary import BAR, FIELDS

SUFFIX = ".pack"
_LISTS = (PIECES, LEDGER, NEAR, TOKENIZER)
_AGAIN = "Copy it again."
_BLOCK = 4096
"""Bytes that are unpacked at a time. A reader unpacks at least as many packed bytes, each to some thousands."""
_LARGEST_LIST = 2**30
_LARGEST_SHARD = 2**28
"""Tokens in a shard; they are in memory at once."""
_PACKED = fields({"packed": listed(whole(0, _LARGEST_SHARD))}, more=True)


def pack(shards: Shards, path: str | Path, progress: bool = True) -> Path:
    """Write a prepared corpus as one file, without note labels and sketches.

    Args:
        shards: The corpus.
        path: The file to write. It ends in ".pack".
        progress: Show a progress bar.

    Raises:
        ConfigError: If the path has another suffix or cannot be written.
    """
    path = Path(path)
    if path.suffix != SUFFIX:
        raise ConfigError(f"{path}: a pack's name ends in {SUFFIX}.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(shards, path, progress)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written ({error.strerror}). Name another file.") from error
    return path


def _write(shards: Shards, path: Path, progress: bool) -> None:
    manifest = {**shards.manifest, "note_classes": {}}
    sizes = shards.sizes()
    unfinished = path.with_name(f".{path.name}.partial")
    with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_LZMA) as file:
        file.writestr(MANIFEST, as_json({**manifest, "packed": sizes}))
        for name in _LISTS:
            if (shards.path / name).is_file():
                file.write(shards.path / name, name)
        starts = np.cumsum([0, *sizes])
        bar = tqdm(total=len(sizes), desc="Packing", unit="shard", disable=not progress)
        for number, (start, stop) in enumerate(pairwise(starts)):
            tokens = shards.tokens(int(start), int(stop))
            for i, field in enumerate(FIELDS):
                column = tokens[:, i]
                if i == BAR:
                    column = np.diff(
                        column, prepend=column.dtype.type(0)
                    )  # wraps, and unwraps when it is summed
                file.writestr(f"{number:05d}.{field}", np.ascontiguousarray(column, "<u2").tobytes())
            bar.update()
        bar.close()
    unfinished.replace(path)


def unpack(path: str | Path, tokenizer: str | None = None) -> Shards:
    """Unpack a corpus into the cache, once, and open it.

    Args:
        path: The pack.
        tokenizer: As for `Shards`.

    Raises:
        CorpusError: If the file is no pack or is damaged.
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        raise CorpusError(f"{path} is no file. Name a pack.")
    try:
        with path.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise CorpusError(f"{path} cannot be read ({error.strerror}).") from error
    folder = cache_folder() / "packs" / f"{path.stem}-{digest[:16]}"
    if not (folder / MANIFEST).is_file():
        try:
            with sole_writer(folder, wait=True), zipfile.ZipFile(path) as file:
                _extract(file, path, folder)
        except (zipfile.BadZipFile, lzma.LZMAError, KeyError, ValueError, EOFError, RuntimeError) as error:
            raise CorpusError(f"{path} is no pack, or a damaged one ({error}). {_AGAIN}") from error
        except OSError as error:
            # A damaged list names a place before the file's start.
            if error.errno != errno.EINVAL:
                raise
            raise CorpusError(f"{path} is a damaged pack ({error}). {_AGAIN}") from error
    return Shards(folder, tokenizer)


def _extract(file: zipfile.ZipFile, path: Path, folder: Path) -> None:
    """Write lists and tokens, and the manifest last. It marks the folder as complete."""
    if any(one.compress_type != zipfile.ZIP_LZMA for one in file.infolist()):
        raise zipfile.BadZipFile("it is compressed otherwise than a pack is")
    manifest = parse_json(b"".join(_blocks(file, MANIFEST, _LARGEST_LIST)))
    require(path, manifest, _PACKED, CorpusError, _AGAIN)
    sizes = manifest.pop("packed")
    shards = []
    for name in _LISTS:
        if name in file.namelist() or name in (PIECES, TOKENIZER):
            write_lines(folder / name, _blocks(file, name, _LARGEST_LIST))
    limits = Tokenizer.load(folder / TOKENIZER).vocabulary.sizes
    for number, size in enumerate(tqdm(sizes, desc="Unpacking", unit="shard", disable=None)):
        tokens = np.empty((size, len(FIELDS)), dtype=np.uint16)
        for i, field in enumerate(FIELDS):
            content = b"".join(_blocks(file, f"{number:05d}.{field}", 2 * size))
            column = np.frombuffer(content, dtype="<u2")
            tokens[:, i] = np.cumsum(column, dtype=np.uint16) if i == BAR else column
            if size and tokens[:, i].max() >= limits[i]:
                raise ValueError(f"field {field} has ids that its tokenizer does not know")
        name = f"shard-{number:05d}"
        shards.append(
            {"name": name, "sha256": {"tokens": write_array(folder / f"{name}.tokens.npy", tokens)}}
        )
    write(folder / MANIFEST, as_json({**manifest, "shards": shards}))


def _blocks(file: zipfile.ZipFile, name: str, most: int) -> Iterator[bytes]:
    """Yield the content of a member in blocks. What unpacks to gigabytes never is in memory at once.

    Raises:
        ValueError: If it is larger than `most` bytes.
    """
    if file.getinfo(name).file_size > most:
        raise ValueError(f"{name} holds more than {most:,} bytes")
    with file.open(name) as member:
        while block := member.read(_BLOCK):
            yield block
