"""Find and read music files of every known kind.

MIDI is read by `symbolic.music.midi`, MusicXML by `symbolic.music.musicxml`, Humdrum kern by `symbolic.music.kern`,
abc by `symbolic.music.abc`.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from symbolic.errors import MusicFileError
from symbolic.music.abc.tunes import book_and_number, read_tune
from symbolic.music.midi.container import is_midi
from symbolic.music.midi.reader import parse_midi
from symbolic.music.midi.repair import KEEP
from symbolic.music.notes import Music
from symbolic.music.others import XML, kind_of_content, kind_of_name, plain_text

MIDI_SUFFIXES = frozenset({".mid", ".midi", ".kar", ".rmi"})
ABC_SUFFIX = ".abc"
KERN_SUFFIX = ".krn"
MUSICXML_SUFFIXES = frozenset({".mxl", ".musicxml", ".xml"})
SCORE_SUFFIXES = MUSICXML_SUFFIXES | {KERN_SUFFIX, ABC_SUFFIX}
SUFFIXES = MIDI_SUFFIXES | SCORE_SUFFIXES
MAX_BYTES = 20_000_000
"""Limit of a file, also in preparation. The largest of a million MIDI files on the web has less."""
MAX_NOTES = 200_000
"""Limit of notes, also in preparation. Longer files are machine-made."""
_FLAGS: int = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
"""Only Windows has text files. A pipe would block before it can be refused."""


def without_music(folder: str | Path) -> str:
    """Return the sentence that a folder holds no music files."""
    return f"{folder} holds no music files ({', '.join(sorted(SUFFIXES))}), nor do its subfolders."


def music_files(folder: str | Path, leave_out: str | Path | None = None) -> Iterator[str]:
    """List the music files below a folder in no fixed order.

    Hidden files are skipped: macOS writes a '._song.mid' next to every song it copies. Links to folders are
    followed. Each folder is listed once, under its real path if that lies below `folder`.

    Args:
        folder: The folder to search.
        leave_out: A folder below it to skip.

    Yields:
        Paths relative to `folder` with slashes.
    """
    seen = set() if leave_out is None else {os.path.realpath(leave_out)} - {os.path.realpath(folder)}
    folders, links = [""], list[str]()
    while folders or links:
        links.sort()
        start = folders.pop() if folders else links.pop(0)
        # Strings, for `Path` objects double the time over a million files.
        here = os.path.join(folder, start)
        if (real := os.path.realpath(here)) in seen:
            continue
        seen.add(real)
        try:
            entries = list(os.scandir(here))
        except OSError:  # no permission to read it
            continue
        for entry in entries:
            if entry.name.startswith("."):
                continue
            with suppress(OSError):  # a link to itself
                if entry.is_dir():
                    (links if entry.is_symlink() else folders).append(f"{start}{entry.name}/")
                elif os.path.splitext(entry.name)[1].lower() in SUFFIXES and entry.is_file():
                    yield start + entry.name


def read_music(
    path: str | os.PathLike[str],
    max_bytes: int = MAX_BYTES,
    pedal: str = KEEP,
    max_notes: int | None = MAX_NOTES,
) -> Music:
    """Read a music file of any known kind.

    Args:
        path: A .mid, .midi, .kar, .rmi, .mxl, .musicxml, .xml, .krn or .abc file. A tune of a book has its number
            after '#', as in "book.abc#12".
        max_bytes: Larger files are refused without reading.
        pedal: Of MIDI files. "keep" keeps the written lengths of notes. "extend" lengthens them to the release of the
            sustain pedal or to the next strike of their pitch.
        max_notes: Files with more notes are refused. None: no limit.

    Raises:
        MusicFileError: If the file is absent, no regular file, unknown, too large, too long or damaged beyond repair.
        ConfigError: If `pedal` is neither.
        TypeError: If it is the content of a file.
    """
    if isinstance(path, bytes):
        raise TypeError("read_music takes a path. Pass the bytes of a file to as_music.")
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in SUFFIXES and book_and_number(str(path))[1]:
        return replace(read_tune(str(path)), path=str(path))
    if suffix not in SUFFIXES:
        if not os.path.exists(path):
            raise MusicFileError(path, "there is no such file or folder")
        if os.path.isdir(path):
            if next(music_files(os.fspath(path)), None) is None:
                raise MusicFileError(path, "it is a folder without music files")
            raise MusicFileError(
                path, "it is a folder", "Name its files, as in sorted(Path(folder).rglob('*.mid'))."
            )
        kind, remedy = kind_of_name(suffix) or ("", "")
        known = f"Known are {', '.join(sorted(SUFFIXES))}."
        reason = f"'{suffix}' is no known kind of music file{f': it is {kind}' if kind else ''}"
        if not suffix:
            reason, remedy = "its name has no ending that tells its kind", "Give it one."
        raise MusicFileError(path, reason, f"{remedy} {known}".strip())
    content = music_bytes(path, max_bytes)
    name = str(path)
    if suffix in MIDI_SUFFIXES:
        music = parse_midi(content, name, pedal, path=name)
    else:
        music = replace(_score_parser(suffix)(content, name), path=name)
    return _not_too_long(music, path, max_notes)


def parse_music(content: bytes, name: str = "these bytes") -> Music:
    """Read the content of a music file of any known kind, which its beginning tells.

    Args:
        content: The bytes of the file.
        name: Name of the file in errors.

    Raises:
        MusicFileError: If they are no music, too large, too long or damaged beyond repair.
    """
    if len(content) > MAX_BYTES:
        raise _too_large(name, len(content), MAX_BYTES)
    return _not_too_long(_parser_of(content, name)(content, name), name, MAX_NOTES)


def _parser_of(content: bytes, name: str) -> Callable[[bytes, str], Music]:
    if is_midi(content):
        return parse_midi
    if content.startswith(b"PK") or kind_of_content(content) == XML:
        return _score_parser(".musicxml")
    text = plain_text(content, name)
    if text.lstrip().startswith("<"):  # in UTF-16
        return _score_parser(".musicxml")
    for suffix, beginning in ((KERN_SUFFIX, r"^\*\*"), (ABC_SUFFIX, r"^X:")):
        if re.search(beginning, text, re.MULTILINE):
            return _score_parser(suffix)
    raise MusicFileError(name, "it is neither MIDI nor MusicXML, kern or abc")


def _not_too_long(music: Music, name: str | os.PathLike[str], most: int | None) -> Music:
    if most is not None and len(music) > most:
        raise MusicFileError(
            name,
            f"it holds {len(music):,} notes, more than the limit of {most:,}",
            "Split it, or give `read_music` another max_notes.",
        )
    return music


def _too_large(name: str | os.PathLike[str], size: int, most: int) -> MusicFileError:
    return MusicFileError(name, f"it holds {size:,} bytes, more than the limit of {most:,}")


def _score_parser(suffix: str) -> Callable[[bytes, str], Music]:
    """Return the reader of a kind of scores. Those that take long to import are imported when they are needed."""
    if suffix == ABC_SUFFIX:
        from symbolic.music.abc.book import parse_abc_file

        return parse_abc_file
    if suffix == KERN_SUFFIX:
        from symbolic.music.kern.reader import parse_kern

        return parse_kern
    from symbolic.music.musicxml.reader import parse_musicxml

    return parse_musicxml


def music_bytes(path: str | os.PathLike[str], max_bytes: int = MAX_BYTES) -> bytes:
    """Read the bytes of a file, after a look at what it is.

    Args:
        path: The file.
        max_bytes: Larger files are refused without reading.

    Raises:
        MusicFileError: If it is absent, no regular file, too large, or cannot be read.
    """
    try:
        # System calls, for Python's file objects cost a twentieth of the parsing.
        file = os.open(path, _FLAGS)
        try:
            about = os.fstat(file)
            if not stat.S_ISREG(about.st_mode):
                kind = "a folder" if stat.S_ISDIR(about.st_mode) else "a pipe or a device"
                raise MusicFileError(path, f"it is {kind}, no file")
            size = about.st_size
            if size > max_bytes:
                raise _too_large(path, size, max_bytes)
            content = os.read(file, size)
            while len(content) < size and (more := os.read(file, size - len(content))):
                content += more
        finally:
            os.close(file)
    except OSError as error:
        raise MusicFileError(
            path, error.strerror or str(error), "Check the path and its permissions."
        ) from error
    return content
