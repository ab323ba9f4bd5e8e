"""Atomic writes: a file is complete or absent, whatever happens."""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
    # The name holds the process, because two processes may write the same baselines at once.
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with unfinished.open("wb") as file:
            for line in lines:
                file.write(line)
                digest.update(line)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except BaseException:  # on a full disk a part would take the room that is needed to go on
        unfinished.unlink(missing_ok=True)
        raise
    return digest.hexdigest()


def write(path: Path, content: bytes | memoryview) -> str:
    """Write a file and return its sha256."""
    return write_lines(path, [content])


def write_array(path: Path, array: NDArray[Any]) -> str:
    """Write an array as `np.load` reads it and return the sha256 of the file."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    return write_lines(path, [buffer.getbuffer()])


def as_json(document: Any, *, indent: int | None = 1, sort_keys: bool = True) -> bytes:
    """Return a document as JSON. Equal documents give equal bytes.

    Args:
        document: JSON values. Numbers that are not finite become null, for JSON has none.
        indent: Spaces by which a level is indented; None for one line.
        sort_keys: Sort the keys of objects.
    """
    separators = None if indent else (",", ":")
    style: dict[str, Any] = {"indent": indent, "sort_keys": sort_keys, "separators": separators}
    try:
        text = json.dumps(document, ensure_ascii=False, allow_nan=False, **style)
    except ValueError:
        text = json.dumps(_finite(document), ensure_ascii=False, allow_nan=False, **style)
    return (text + "\n").encode(errors=_ESCAPE)


def as_line(document: dict[str, Any]) -> bytes:
    """Return JSON on one line."""
    return (json.dumps(document, ensure_ascii=False) + "\n").encode(errors=_ESCAPE)


def _finite(value: Any) -> Any:
    """Return JSON values with None in the place of numbers that are not finite."""
    if isinstance(value, Mapping):
        return {name: _finite(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
