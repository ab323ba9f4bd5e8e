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


_ENCODE = json.JSONEncoder(ensure_ascii=False).encode


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
    header, array = io.BytesIO(), np.ascontiguousarray(array)
    np.lib.format.write_array_header_1_0(header, np.lib.format.header_data_from_array_1_0(array))
    return write_lines(
        path, [header.getbuffer(), array.data.cast("B")] if array.size else [header.getbuffer()]
    )


def as_line(document: dict[str, Any]) -> bytes:
    """Return JSON on one line."""
    return (_ENCODE(document) + "\n").encode(errors=_ESCAPE)
