"""Divide abc files into tunes and read each tune.

Repeats are not unfolded and the parts that a `P:` field orders stand once. Grace notes take no time. Each voice is a
track. The bars of all voices begin together.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import takewhile
from pathlib import Path

from symbolic.errors import MusicFileError
from symbolic.music.abc.score import notation_of
from symbolic.music.abc.tune import Tune
from symbolic.music.notation import counted
from symbolic.music.notes import Music
from symbolic.music.others import plain_text

_TUNE = re.compile(r"^(?=X:)", re.MULTILINE)
_ANY_TUNE = re.compile(r"^[ \t]*[XK]:", re.MULTILINE)
_OF_BOOKS = ("L:", "M:", "Q:")
"""Fields of a book's header that hold for the tunes that do not state them."""
_FOR_ALL = ("m:", "I:", "%%propagate-accidentals", "%%MIDI")
"""Lines of a book's header that hold for all its tunes, before their own."""
_MAILED = "=3D"
"""A natural sign in files that a mail program has encoded. It means nothing in abc."""
_LINE_END = re.compile(r"\r\n?|\n")


def abc_tunes(path: str | Path) -> list[str]:
    """Return the text of each tune of an abc file with the fields of the file's header.

    Raises:
        MusicFileError: If the file cannot be read.
    """
    try:
        return _split_tunes(Path(path).read_bytes(), str(path))
    except OSError as error:
        raise MusicFileError(path, error.strerror or str(error)) from error


def _split_tunes(content: bytes, name: str) -> list[str]:
    """Return the text of each tune in the bytes of an abc file with the fields of the file's header.

    A file without an `X:` field is one tune if it has a `K:` field.
    """
    text = "\n".join(_lines(plain_text(content, name)))
    if _MAILED in text:
        text = text.replace(_MAILED, "=")
    before, *tunes = _TUNE.split(text)
    if not tunes:
        return [text] if _ANY_TUNE.search(text) else []
    header = before.partition("\n\n")[0].split("\n")
    return [_with_header(tune, header) for tune in tunes]


def parse_abc_file(content: bytes, name: str) -> Music:
    """Read music from the bytes of an abc file with one tune.

    Args:
        content: The whole file.
        name: Name of the file in errors.

    Raises:
        MusicFileError: If it holds no tune or several, or its times lie outside MIDI's.
    """
    tunes = _split_tunes(content, name)
    if len(tunes) != 1:
        raise MusicFileError(
            name,
            f"it holds {len(tunes) or 'no'} tunes",
            "Name one of them by its number, as in book.abc#12." * (len(tunes) > 1),
        )
    return parse_abc(tunes[0], name)


def parse_abc(text: str, name: str) -> Music:
    """Read music from one tune in abc notation.

    Args:
        text: The tune. It ends at an empty line after music and at the next `X:`.
        name: Name of the tune in errors.

    Raises:
        MusicFileError: If it is no tune, or longer than MIDI's time.
    """
    if not _ANY_TUNE.search(text):
        raise MusicFileError(name, "it holds no tune (no line begins with 'X:' or 'K:')")
    before, *tunes = _TUNE.split("\n".join(_lines(text)))
    try:
        notation = notation_of(Tune((before + "".join(tunes[:1])).split("\n")))
        notation.repairs += counted({"tunes after the first left out": max(len(tunes) - 1, 0)})
        return notation.music(name)
    except OverflowError as error:
        raise MusicFileError(name, str(error)) from error


def _with_header(tune: str, header: Sequence[str]) -> str:
    """Add to a tune those lines of the file's header that it does not override."""
    if not header:
        return tune
    own = {line[:2] for line in takewhile(lambda line: not line.startswith("K:"), tune.split("\n"))}
    first, _, rest = tune.partition("\n")
    added = [
        line
        for line in header
        if line.startswith(_FOR_ALL) or (line.startswith(_OF_BOOKS) and line[:2] not in own)
    ]
    return "\n".join([first, *added, rest])


def _lines(text: str) -> Iterator[str]:
    """Yield the lines without blocks of text such as from %%begintext to %%endtext, which may hold tunes as text.

    A block that another begins in has no end: it is a line by itself, or it would take the tunes between.
    """
    lines = _LINE_END.split(text.removeprefix("\ufeff"))
    closed, ends = set[int](), set[str]()
    for index in range(len(lines) - 1, -1, -1) if "%%begin" in text else ():
        kind = _kind(lines[index])
        if lines[index].startswith("%%end"):
            ends.add(kind)
        elif lines[index].startswith("%%begin") and kind in ends:
            closed.add(index)
            ends.discard(kind)
    block = ""
    for index, line in enumerate(lines):
        if block:
            block = "" if line.startswith("%%end") and _kind(line) == block else block
        elif index in closed:
            block = _kind(line)
        else:
            yield line


def _kind(line: str) -> str:
    """Return the kind of a line that begins or ends a block: "text" of %%begintext."""
    return line.removeprefix("%%begin").removeprefix("%%end").partition(" ")[0].strip()
