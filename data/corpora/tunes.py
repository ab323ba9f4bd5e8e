"""Tune books: abc files with many pieces. The key of a tune is its file, '#' and its number."""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from pathlib import Path

from symbolic.errors import MusicFileError
from symbolic.music.abc import abc_tunes, parse_abc
from symbolic.music.notes import Music


@lru_cache(maxsize=8)
def tune_texts(path: Path) -> dict[str, str]:
    """Read the tunes of a book by number. A repeated number becomes '12-2', '12-3' and so on.

    Raises:
        MusicFileError: If the file cannot be read.
    """
    seen: Counter[str] = Counter()
    texts: dict[str, str] = {}
    for text in abc_tunes(path):
        match = re.match(r"X:\s*0*(\w+)", text)
        number = match[1] if match else "0"
        seen[number] += 1
        texts[number if seen[number] == 1 else f"{number}-{seen[number]}"] = text
    return texts


def tune_keys(folder: Path, file: str) -> list[str]:
    """List the keys of the pieces in a file. It is the name of a file that is no book or cannot be read."""
    if not file.lower().endswith(".abc"):
        return [file]
    try:
        numbers = list(tune_texts(folder / file))
    except MusicFileError:
        return [file]  # the reader will report the problem
    return [file] if len(numbers) < 2 else [f"{file}#{number}" for number in numbers]


def read_tune(folder: Path, key: str) -> Music:
    """Read one tune of a book.

    Raises:
        MusicFileError: If the book cannot be read, or if the tune is absent or cannot be parsed.
    """
    file, _, number = key.rpartition("#")
    text = tune_texts(folder / file).get(number)
    if text is None:
        raise MusicFileError(folder / file, f"it holds no tune {number}")
    return parse_abc(text, key)
