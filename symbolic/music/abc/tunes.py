"""Tune books: abc files with many tunes. A tune is named by its file, '#' and its number, as in "book.abc#12"."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

from symbolic.errors import MusicFileError
from symbolic.music.notes import Music

_SUFFIX = ".abc"


@lru_cache(maxsize=8)
def tune_texts(path: Path) -> dict[str, str]:
    """Read the tunes of a book by number. A repeated number becomes '12-2', '12-3' and so on.

    Raises:
        MusicFileError: If the file cannot be read.
    """
    from symbolic.music.abc.book import abc_tunes  # it takes long to import, and other files do not need it

    seen: Counter[str] = Counter()
    texts: dict[str, str] = {}
    for text in abc_tunes(path):
        match = re.match(r"X:\s*0*(\w+)", text)
        number = match[1] if match else "0"
        seen[number] += 1
        texts[number if seen[number] == 1 else f"{number}-{seen[number]}"] = text
    return texts


def with_tunes(files: Iterable[str], folder: str | Path = "") -> Iterator[str]:
    """Yield names of pieces: for a book those of its tunes, and any other file as it is, readable or not.

    Args:
        files: Names of files.
        folder: The folder that they are relative to.
    """
    for file in files:
        numbers: list[str] = []
        if file.lower().endswith(_SUFFIX):
            try:
                numbers = list(tune_texts(Path(folder, file)))
            except MusicFileError:
                numbers = []  # the reader will report the problem
        yield from [file] if len(numbers) < 2 else [f"{file}#{number}" for number in numbers]


def book_and_number(name: str) -> tuple[str, str]:
    """Divide the name of a tune into those of its book and its number, which is "" for any other file."""
    book, mark, number = name.rpartition("#")
    of_book = mark and book.lower().endswith(_SUFFIX) and not os.path.exists(name)
    return (book, number) if of_book else (name, "")


def read_tune(name: str | Path) -> Music:
    """Read one tune of a book.

    Args:
        name: Such as "book.abc#12".

    Raises:
        MusicFileError: If the book cannot be read, or if the tune is absent or cannot be parsed.
    """
    from symbolic.music.abc.book import parse_abc

    book, _, number = str(name).rpartition("#")
    text = tune_texts(Path(book)).get(number)
    if text is None:
        raise MusicFileError(book, f"it holds no tune {number}")
    return parse_abc(text, str(name))
