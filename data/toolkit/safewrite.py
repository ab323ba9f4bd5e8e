"""Atomic writes: a file is complete or absent, whatever happens."""

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

from symbolic.replacing import replacing

_ESCAPE = "backslashreplace"
"""File names that are not UTF-8 hold lone surrogates. This turns them into escapes of JSON."""


def write_lines(path: Path, lines: Iterable[bytes | memoryview]) -> str:
    """Write a file line by line, so that it is complete or absent even after a power cut.

    Args:
        path: A file in an existing folder.
        lines: The content. It is never in memory at once.

    Returns:
        sha256 of the file.
    """
    digest = hashlib.sha256()
    with replacing(path) as file:
        for line in lines:
            file.write(line)
            digest.update(line)
        file.flush()
        if path.is_file() or not path.exists():  # no pipe or terminal
            os.fsync(file.fileno())
    return digest.hexdigest()


def write(path: Path, content: bytes | memoryview) -> str:
    """Write a file and return its sha256."""
    return write_lines(path, [content])


def write_text(path: Path, text: str) -> str:
    """Write text as UTF-8, with escapes for names that are not, and return the sha256 of the file."""
    return write(path, text.encode(errors=_ESCAPE))


def write_array(path: Path, array: NDArray[Any]) -> str:
    """Write an array as `np.load` reads it and return the sha256 of the file."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    return write_lines(path, [buffer.getbuffer()])


def as_line(document: dict[str, Any]) -> bytes:
    """Return JSON on one line."""
    return (json.dumps(document, ensure_ascii=False) + "\n").encode(errors=_ESCAPE)
