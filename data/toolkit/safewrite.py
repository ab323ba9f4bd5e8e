"""Files that are whole or absent, whatever happens while they are written."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_ESCAPE = "backslashreplace"
"""Names of files that are not UTF-8 come as lone surrogates, which this turns into escapes that JSON knows."""


def write_lines(path: Path, lines: Iterable[bytes | memoryview]) -> str:
    """Write a file, piece by piece, so that it is whole or absent even after a power cut.

    Args:
        path: In a folder that exists.
        lines: Its content; never held at once.

    Returns:
        Its sha256.
    """
    digest = hashlib.sha256()
    # Of this process alone: two that keep the same baselines at a time must not take the file from one another.
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.partial")
    with unfinished.open("wb") as file:
        for line in lines:
            file.write(line)
            digest.update(line)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
    return digest.hexdigest()


def write(path: Path, content: bytes) -> str:
    """Write a file in one stroke; returns its sha256."""
    return write_lines(path, [content])


def write_array(path: Path, array: NDArray[Any]) -> str:
    """Write an array as `np.load` reads it; returns the file's sha256."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    return write_lines(path, [buffer.getbuffer()])


def as_json(document: Any) -> bytes:
    """A document with its keys sorted, a line each; equal documents give equal bytes."""
    return (json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode(errors=_ESCAPE)


def as_line(document: dict[str, Any]) -> bytes:
    """A document on one line."""
    return (json.dumps(document, ensure_ascii=False) + "\n").encode(errors=_ESCAPE)
