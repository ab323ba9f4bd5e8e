"""Variants of files, as a stranger might make them: other types and sizes, missing and more parts, other bytes."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from symbolic.errors import CounterpointError

VALUES: dict[str, Any] = {
    "null": None,
    "false": False,
    "zero": 0,
    "negative": -1,
    "fraction": 1.5,
    "large": 10**9,
    "huge": 2**70,
    "NaN": float("nan"),
    "text": "x",
    "number as text": "8",
    "outside": "../../outside",
    "absolute": "/outside",
    "list": [],
    "object": {},
    "nested": [[[{"a": [None]}]]],
    "lone surrogate": "\udcff",
}
DEEP = 50_000


def variants_of_json(document: Any) -> Iterator[tuple[str, bytes]]:
    """Yield variants of a JSON document, each with a name: every value replaced and removed, and other texts.

    Args:
        document: JSON values.
    """
    for path in _paths(document):
        place = ".".join(map(str, path))
        for name, value in VALUES.items():
            yield f"{place}: {name}", _written(_changed(document, path, value))
        yield f"{place}: removed", _written(_changed(document, path, _changed))
    yield "added", _written({**document, "added": 1})
    yield "renamed", _written({f" {name}": value for name, value in document.items()})
    yield from variants_of_bytes(_written(document))
    yield "deep", b'{"a":' * DEEP + b"1" + b"}" * DEEP
    yield "deep lists", b"[" * DEEP
    yield "a list", b"[1, 2]"
    yield "a number of many digits", b'{"a": ' + b"9" * 10_000 + b"}"
    yield "beyond all numbers", b'{"format_version": 1e999}'


def variants_of_bytes(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield variants of any file: cut off, empty, other bytes."""
    yield "empty", b""
    yield "cut off", content[: len(content) // 2]
    yield "zeros", bytes(len(content))
    yield "a web page", b"<!doctype html><html>404</html>"
    yield "no UTF-8", b"\xff\xfe" + content


def refused(path: Path, variants: Iterator[tuple[str, bytes]], use: Callable[[], object], step: int) -> int:
    """Write every so many variants of a file and use each. Return how many were refused in words that name the file."""
    count = 0
    for _, content in list(variants)[::step]:
        path.write_bytes(content)
        before = sorted(path.parent.parent.rglob("*"))
        try:
            use()
        except CounterpointError as error:
            count += path.name in str(error) or "record" in str(error)
        assert sorted(path.parent.parent.rglob("*")) == before
    return count


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the places of all values, of lists the first alone."""
    names = (
        value.keys()
        if isinstance(value, dict)
        else range(min(1, len(value)))
        if isinstance(value, list)
        else ()
    )
    for name in names:
        yield (*path, name)
        yield from _paths(value[name], (*path, name))


def _changed(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    """Return a copy with the value at a path replaced, or removed if the value is this function."""
    changed = copy.deepcopy(document)
    inner = changed
    for name in path[:-1]:
        inner = inner[name]
    if value is _changed:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return changed


def _written(document: Any) -> bytes:
    return json.dumps(document).encode()
