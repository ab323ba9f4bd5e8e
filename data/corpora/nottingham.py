"""The Nottingham Music Database: a thousand folk tunes with chords, sorted by dance."""

from __future__ import annotations

import re
from types import MappingProxyType

from data.corpora.archives import ArchivedCorpus
from data.corpora.base import Piece

DANCES = {"jigs": "jig", "reels": "reel", "hpps": "hornpipe", "waltzes": "waltz", "morris": "morris"}
"""Dance of each kind of file, by the letters that its name begins with; other kinds are not one dance."""


class NottinghamCorpus(ArchivedCorpus):
    """Melody and chords of each tune, as MIDI; label "dance" where the kind of tune is a dance.

    Tunes with the same melody, in any key, or the same title are one group.
    """

    name = "nottingham"
    title = "Nottingham Music Database, cleaned"
    licence = "GPL-3.0"
    citation = "Foxley, E. (2001). Nottingham Music Database; cleaned by Jukedeck (2017)"
    homepage = "https://github.com/jukedeck/nottingham-dataset"
    size = 1034
    labels = MappingProxyType({"dance": 5})
    split = "80/10/10 by tune"
    marker = "MIDI/jigs1.mid"
    archives = MappingProxyType(
        {"nottingham.tar.xz": "96dccc861b648784fdf2acda04082c40e8249d640cad63587d16f61645e36c60"}
    )

    def files(self) -> dict[str, str]:
        """Files of the full tunes by key; the folders with melody or chords alone are left out."""
        return {path.stem: f"MIDI/{path.name}" for path in sorted((self.folder / "MIDI").glob("*.mid"))}

    def pieces(self) -> list[Piece]:
        """The full tunes."""
        files = self.files()
        return self.tabled(files, {key: {"dance": dance} for key in files if (dance := dance_of(key))})

    def tune_titles(self) -> dict[str, str]:
        """The title of each piece, from the abc files: jigs1 is tune 1 of jigs.abc."""
        titles = {}
        for book in sorted((self.folder / "ABC_cleaned").glob("*.abc")):
            text = book.read_text(encoding="utf-8", errors="replace")
            for number, title in re.findall(r"^X:\s*(\d+)\s*\n(?:.*\n)*?T:(.*)$", text, re.MULTILINE):
                titles[f"{book.stem}{number}"] = title.strip()
        return titles


def dance_of(key: str) -> str | None:
    """The dance that a piece's name tells, if any."""
    return next((dance for kind, dance in DANCES.items() if key.startswith(kind)), None)
