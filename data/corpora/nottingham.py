"""The Nottingham Music Database: a thousand folk tunes with chords by dance."""

from __future__ import annotations

import re
from functools import cached_property
from types import MappingProxyType

import numpy as np

from data.corpora.archives import ArchivedCorpus
from data.corpora.base import Piece, Reading
from symbolic.music.notes import Music
from symbolic.predict.tonality import TONAL_CLASSES, key_mode, tonal_labels

DANCES = {"jigs": "jig", "reels": "reel", "hpps": "hornpipe", "waltzes": "waltz", "morris": "morris"}
"""Dance of each kind of file, by the first letters of its name. Other kinds are not one dance."""


class NottinghamCorpus(ArchivedCorpus):
    """Melody and chords of each tune as MIDI with the label "dance" of dances and the note label "key".

    "key" is the pitch class of a note above the tonic, with the mode, from the abc file. A tune that changes key has
    none. Tunes with the same title or the same melody in any key are one group.
    """

    name = "nottingham"
    title = "Nottingham Music Database, cleaned"
    licence = "GPL-3.0"
    spdx = "GPL-3.0-only"
    citation = "Foxley, E. (2001). Nottingham Music Database; cleaned by Jukedeck (2017)"
    homepage = "https://github.com/jukedeck/nottingham-dataset"
    version = 2
    size = 1034
    labels = MappingProxyType({"dance": 5})
    split = "80/10/10 by tune"
    note_classes = MappingProxyType({"key": TONAL_CLASSES})
    marker = "MIDI/jigs1.mid"
    archives = MappingProxyType(
        {"nottingham.tar.xz": "96dccc861b648784fdf2acda04082c40e8249d640cad63587d16f61645e36c60"}
    )

    def files(self) -> dict[str, str]:
        """List the files of the full tunes by key. Folders with melody or chords alone are left out."""
        return {path.stem: f"MIDI/{path.name}" for path in sorted((self.folder / "MIDI").glob("*.mid"))}

    def pieces(self) -> list[Piece]:
        """List the full tunes."""
        files = self.files()
        return self.tabled(files, {key: {"dance": dance} for key in files if (dance := dance_of(key))})

    def interpret(self, piece: Piece, music: Music) -> Reading:
        """Label the notes by their degree in the key. The tune stays as it is."""
        tonality = np.full(len(music), self._keys.get(piece.key, -1))
        return Reading(music, {"key": tonal_labels(music.notes["pitch"], tonality)})

    def sources(self, piece: Piece) -> tuple[str, ...]:
        """List the MIDI file and the book of tunes that names its key."""
        book = f"ABC_cleaned/{piece.key.rstrip('0123456789')}.abc"
        return (piece.file, book) if (self.folder / book).is_file() else (piece.file,)

    def tune_titles(self) -> dict[str, str]:
        """Read the title of each piece from the abc files: jigs1 is tune 1 of jigs.abc."""
        return {
            key: title[1].strip()
            for key, text in self._tunes().items()
            if (title := re.search(r"^T:(.*)$", text, re.MULTILINE))
        }

    @cached_property
    def _keys(self) -> dict[str, int]:
        """Tonic plus twelve times the mode, of each tune that keeps one key."""
        found = {}
        for key, text in self._tunes().items():
            modes = {key_mode(name) for name in re.findall(r"^\[?K:([^\]\n]*)", text, re.MULTILINE)}
            if len(modes) == 1 and (mode := modes.pop()) is not None:
                found[key] = mode
        return found

    def _tunes(self) -> dict[str, str]:
        """Read the text of each tune."""
        tunes = {}
        for book in sorted((self.folder / "ABC_cleaned").glob("*.abc")):
            parts = re.split(
                r"^X:\s*(\d+)\s*$", book.read_text(encoding="utf-8", errors="replace"), flags=re.MULTILINE
            )
            tunes.update(
                {f"{book.stem}{number}": text for number, text in zip(parts[1::2], parts[2::2], strict=True)}
            )
        return tunes


def dance_of(key: str) -> str | None:
    """Return the dance in the name of a piece or None."""
    return next((dance for kind, dance in DANCES.items() if key.startswith(kind)), None)
