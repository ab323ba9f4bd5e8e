"""Files to predict, and where their predictions go. Torch is not imported."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from symbolic.errors import ConfigError
from symbolic.music.abc.tunes import book_and_number, with_tunes
from symbolic.music.files import music_files, without_music

_SHOWN = 5


@dataclass(frozen=True)
class Source:
    """A file to read and where its prediction goes.

    Attributes:
        file: The path as it was named or as a walk found it.
        place: Path of the MIDI file below the output folder. No two sources share one.
    """

    file: str
    place: PurePath


def find_sources(names: Sequence[str], out: str | Path) -> list[Source]:
    """Find files as named, and all music files below folders, in order of their paths. Tunes of books count singly.

    A folder without music stands for itself at the end, so that it is named among what cannot be read.

    Args:
        names: Files and folders. A folder's inner structure is kept below `out`.
        out: Where predictions go. Files in it are not read.

    Raises:
        ConfigError: If folders alone are named and none holds music files, or if none of the files exists.
    """
    taken: set[PurePath] = set()
    sources, empty = [], []
    for name in names:
        if not os.path.isdir(name):
            sources += [
                Source(one, _free_place(PurePath(Path(one).name), taken)) for one in with_tunes([name])
            ]
            continue
        below = sorted(music_files(name, leave_out=out))
        if not below:
            empty.append(name)
        sources += [
            Source(os.path.join(name, inner), _free_place(PurePath(inner), taken))
            for inner in with_tunes(below, name)
        ]
    if empty and not sources:
        raise ConfigError(without_music(empty[0]))
    if sources and not any(os.path.exists(book_and_number(source.file)[0]) for source in sources):
        named = ", ".join(source.file for source in sources[:_SHOWN]) + (
            ", ..." if len(sources) > _SHOWN else ""
        )
        raise ConfigError(f"There is no such file or folder: {named}. Check the path.")
    # Last, so that no file is renamed for them: nothing is written in their places.
    return sources + [Source(name, _free_place(PurePath("folder"), taken)) for name in empty]


def _free_place(path: PurePath, taken: set[PurePath]) -> PurePath:
    """The path as that of a MIDI file, numbered where two inputs would have the same or as the tune of a book."""
    tune = book_and_number(path.name)[1]
    stem = f"{path.stem}-{tune}" if tune else path.stem
    number, free = 1, path.with_name(f"{stem}.mid")
    while free in taken:
        number += 1
        free = path.with_name(f"{stem}-{number}.mid")
    taken.add(free)
    return free
